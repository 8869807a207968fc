// One person's tile: shows the parts that the server tells of a wearer, and nothing that is not known.
import { serverNow } from "/static/clock.js";
import { el, setAttribute, setText, svg } from "/static/dom.js";
import { ago, bpm, percent, zoneTimes } from "/static/format.js";
import { batteryIcon, heartIcon, weakSignalIcon } from "/static/icons.js";
import { schedulePulses } from "/static/pulse.js";
import { fillZoneBar, zoneSteps } from "/static/zones.js";

const WEAK_LOSS = 0.25;
const SILENT_S = 6;
const NOTES = {
  stale: (age) => age,
  lost: (age) => (age ? `No signal, ${age}` : "No signal"),
  invalid: () => "No heart rate",
};

/** What is known of a wearer now, of the parts. Without news for seconds a live one is stale, whatever it said last. */
export function readWearer(parts, who) {
  const tile = parts.get(`tile:${who}`);
  const beat = parts.get(`beat:${who}`);
  const person = parts.get(`person:${tile.user_id}`);
  const strap = parts.get(`strap:${tile.device_id}`);
  const silent = tile.state === "live" && beat && serverNow() - beat.at > SILENT_S;
  return {
    who,
    tile,
    beat,
    person,
    strap,
    state: silent ? "stale" : tile.state,
    name: person?.name ?? `Person ${tile.user_id}`,
  };
}

/** What a state that is not live says of itself, with the age of the newest beat. */
export function noteOf({ state, beat }) {
  return NOTES[state]?.(beat ? ago(serverNow() - beat.at) : "") ?? "";
}

/** The same in an accessible name. */
export function saidOf(state) {
  return { stale: "not new", lost: "no signal" }[state] ?? "";
}

export class Tile {
  constructor(who, onclick) {
    this.name = el("span", { class: "name" });
    this.battery = el("span", { class: "mark", title: "Low battery", hidden: true }, batteryIcon());
    this.weak = el("span", { class: "mark", title: "Weak signal", hidden: true }, weakSignalIcon());
    this.heart = heartIcon();
    this.hr = el("span", { class: "hr" });
    this.zone = el("span", { class: "zone-name" });
    this.share = el("span", { class: "share" });
    this.note = el("span", { class: "note" });
    this.line = svg("path", { "vector-effect": "non-scaling-stroke" });
    this.zoneBar = el("span", { class: "zone-bar" });
    this.button = el(
      "button",
      { class: "tile", type: "button", "data-who": who, onclick },
      el("span", { class: "top" }, this.name, this.weak, this.battery, this.heart),
      el("span", { class: "middle" }, this.hr, el("span", { class: "side" }, zoneSteps(), this.zone, this.share)),
      this.note,
      svg(
        "svg",
        { class: "trend", viewBox: "0 0 60 20", preserveAspectRatio: "none", "aria-hidden": "true" },
        this.line,
      ),
      this.zoneBar,
    );
    this.element = el("li", { class: "cell" }, this.button);
    this.beatAt = null;
  }

  /** Shows a wearer as `readWearer` gives it. Says whether its beat is new. */
  show(wearer) {
    const { tile, beat, person, strap, state, name } = wearer;
    const hr = state === "invalid" ? "--" : bpm(beat?.hr);
    const zone = state === "invalid" ? null : (beat?.zone ?? null);
    const share = zone === null ? "" : percent(beat.share);
    const estimated = share !== "" && person?.hr_max_source === "estimated";
    setAttribute(this.button, "data-state", state);
    setAttribute(this.button, "data-zone", zone);
    setText(this.name, name);
    setText(this.hr, hr);
    setText(this.zone, zone === null ? "" : `Z${zone}`);
    setText(this.share, estimated ? `≈\u2009${share}` : share);
    setAttribute(this.share, "title", estimated ? "Of an estimated maximum heart rate" : null);
    const weak = strap?.loss > WEAK_LOSS;
    this.weak.hidden = !weak;
    this.battery.hidden = !strap?.battery_low;
    setText(this.note, noteOf(wearer));
    this.describe({ name, hr, zone, share, estimated, state, weak, low: strap?.battery_low });
    this.showZoneTimes(tile.zone_seconds);
    const fresh = Boolean(beat) && beat.at !== this.beatAt;
    if (fresh && state === "live") schedulePulses(this.heart, beat.beats);
    this.beatAt = beat?.at ?? null;
    return fresh;
  }

  showTrend(path) {
    setAttribute(this.line, "d", path ?? "");
  }

  showZoneTimes(zoneSeconds) {
    const told = String(zoneSeconds);
    if (told === this.zonesTold) return;
    this.zonesTold = told;
    fillZoneBar(this.zoneBar, zoneSeconds);
    setAttribute(this.button, "aria-description", `Time in zones: ${zoneTimes(zoneSeconds)}`);
  }

  describe({ name, hr, zone, share, estimated, state, weak, low }) {
    const told = [
      name,
      hr === "--" ? "no heart rate" : `${hr} bpm`,
      zone === null ? "" : `zone ${zone}, ${share} of ${estimated ? "an estimated" : "the"} maximum`,
      saidOf(state),
      weak ? "weak signal" : "",
      low ? "low battery" : "",
    ];
    setAttribute(this.button, "aria-label", told.filter(Boolean).join(", "));
  }
}
