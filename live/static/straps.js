// The tray of straps that nobody is registered for: a card each, to be named.
import { MAY_CHANGE } from "/static/actions.js";
import { announceBeat } from "/static/announce.js";
import { serverNow } from "/static/clock.js";
import { discard, el, setAttribute, setText } from "/static/dom.js";
import { parts, subscribe } from "/static/events.js";
import { bpm } from "/static/format.js";
import { heartIcon } from "/static/icons.js";
import { schedulePulses } from "/static/pulse.js";
import { allStraps, isFresh, signalMeter, signalText, strapCount } from "/static/signal.js";
import { noteOf, readWearer, saidOf } from "/static/tile.js";
import { openUnknownStrap } from "/static/wearing.js";

const HEARD_S = 60;
const cards = new Map();

export function startTray(tray) {
  const list = tray.querySelector("ul");
  const refresh = () => {
    const unknown = unknownStraps();
    const ids = new Set(unknown.map((strap) => strap.device_id));
    for (const [id, card] of cards) if (!ids.has(id)) drop(id, card);
    for (const strap of unknown) cardOf(strap.device_id, list).show(strap);
    setText(tray.querySelector("h2"), strapCount(unknown.length));
    tray.hidden = unknown.length === 0;
  };
  subscribe(["strap:", "tile:s", "beat:s"], refresh);
  setInterval(refresh, 1000);
}

/** Straps of nobody, not ignored, heard within the last minute. */
function unknownStraps() {
  return allStraps().filter((strap) => strap.user_id === 0 && !strap.ignored && serverNow() - strap.heard_at < HEARD_S);
}

/** As its tile tells it; before its first beat the strap's own number, while that is new. */
function wearerOf(strap) {
  const who = `s${strap.device_id}`;
  if (parts.has(`tile:${who}`)) {
    const wearer = readWearer(parts, who);
    return { ...wearer, hr: wearer.beat?.hr };
  }
  const fresh = isFresh(strap);
  return { state: fresh ? "live" : "lost", hr: fresh ? strap.hr : null };
}

function drop(id, card) {
  discard(card.element);
  cards.delete(id);
}

function cardOf(id, list) {
  if (!cards.has(id)) {
    cards.set(id, new Card(id));
    list.append(cards.get(id).element);
  }
  return cards.get(id);
}

class Card {
  constructor(id) {
    this.id = id;
    this.hr = el("span", { class: "hr" });
    this.heart = heartIcon();
    this.signal = signalMeter();
    this.note = el("span", { class: "note" });
    const name = el("span", { class: "name" }, `Strap ${id} `, this.note);
    this.button = el(
      "button",
      { class: "strap-card", type: "button", "data-strap": id, onclick: () => openUnknownStrap(id) },
      this.heart,
      this.hr,
      el("span", { class: "about" }, name, this.signal.element),
    );
    this.element = el("li", {}, this.button);
  }

  show(strap) {
    const wearer = wearerOf(strap);
    const { beat, state } = wearer;
    const hr = state === "invalid" ? "--" : bpm(wearer.hr);
    setText(this.hr, hr);
    this.signal.show(strap);
    setText(this.note, noteOf(wearer));
    setAttribute(this.button, "data-state", state);
    const told = [`Strap ${this.id}`, hr === "--" ? "no heart rate" : `${hr} bpm`, saidOf(state), signalText(strap)];
    const question = MAY_CHANGE ? " Who wears it?" : "";
    setAttribute(this.button, "aria-label", `${told.filter(Boolean).join(", ")}.${question}`);
    if (!beat || beat.at === this.beatAt) return;
    this.beatAt = beat.at;
    if (state === "live") schedulePulses(this.heart, beat.beats);
    announceBeat(`s${this.id}`, beat);
  }
}
