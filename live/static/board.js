// The board: keeps one tile for each person that is heard, in order and fitted, and a chip for each that is parked.
import "/static/prefs.js";
import { announceBeat } from "/static/announce.js";
import { serverNow } from "/static/clock.js";
import { connect, parts, subscribe, subscribeSeconds } from "/static/events.js";
import { discard, el, setText } from "/static/dom.js";
import { ago } from "/static/format.js";
import { keepFitted, measureDigit } from "/static/layout.js";
import { ORDERS, arrange, placeInOrder } from "/static/order.js";
import { bindTheme, readPref, writePref } from "/static/prefs.js";
import { bindProjector } from "/static/projector.js";
import { trendPaths } from "/static/seconds.js";
import { startSessionControl } from "/static/session-control.js";
import { startTray } from "/static/straps.js";
import { startStrip } from "/static/strip.js";
import { Tile, readWearer } from "/static/tile.js";
import { openPerson, openStraps } from "/static/wearing.js";

const REORDER_MS = 5000;
const board = document.querySelector("#board");
const chips = document.querySelector("#parked");
const empty = document.querySelector("#empty");
const orderMenu = document.querySelector("#order");
const tiles = new Map();
const parked = new Map();
const fit = keepFitted(board);
let order = readPref("order", "name");

function wearersOf(keys) {
  const whos = keys.map((key) => {
    const [kind, id] = split(key);
    if (kind === "person") return `p${id}`;
    return kind === "strap" ? `p${parts.get(key)?.user_id ?? 0}` : id;
  });
  return new Set(whos.filter((who) => who.startsWith("p")));
}

function split(key) {
  const colon = key.indexOf(":");
  return [key.slice(0, colon), key.slice(colon + 1)];
}

function refresh(keys) {
  let moved = false;
  for (const who of wearersOf(keys)) moved = refreshWearer(who) || moved;
  if (moved) {
    reorder();
    fit();
    empty.hidden = tiles.size > 0;
    chips.hidden = parked.size === 0;
  }
}

/** Says whether tiles came, went, or (ordered by it) changed their name. */
function refreshWearer(who) {
  if (!parts.has(`tile:${who}`)) return remove(tiles, who) || remove(parked, who);
  const wearer = readWearer(parts, who);
  const isParked = wearer.state === "parked";
  const gone = remove(isParked ? tiles : parked, who);
  if (isParked) return showChip(who, wearer) || gone;
  const fresh = !tiles.has(who);
  if (fresh) tiles.set(who, new Tile(who, () => openPerson(who)));
  const tile = tiles.get(who);
  const renamed = setText(tile.name, wearer.name);
  if (fresh) board.append(tile.element);
  if (tile.show(wearer)) announceBeat(who, wearer.beat);
  return fresh || gone || renamed;
}

function remove(shown, who) {
  if (shown.has(who)) discard(shown.get(who).element);
  return shown.delete(who);
}

function showChip(who, { name, beat }) {
  const fresh = !parked.has(who);
  if (fresh) {
    const [label, age] = [el("span", { class: "name" }), el("span", { class: "age" })];
    const button = el(
      "button",
      { class: "chip", type: "button", "data-who": who, "data-state": "parked", onclick: () => openPerson(who) },
      label,
      " ",
      age,
    );
    parked.set(who, { element: el("li", {}, button), label, age });
    chips.querySelector("ul").append(parked.get(who).element);
  }
  const chip = parked.get(who);
  setText(chip.label, name);
  setText(chip.age, beat ? ago(serverNow() - beat.at) : "away");
  return fresh;
}

function reorder(exact = false) {
  const entries = [...board.children].map((cell) => {
    const who = cell.firstChild.dataset.who;
    const { tile, beat, name } = readWearer(parts, who);
    return { who, name, hr: beat?.hr, share: beat?.share, points: tile.points };
  });
  placeInOrder(board, arrange(entries, order, exact).map(({ who }) => tiles.get(who).element));
}

function showTrends() {
  const paths = trendPaths();
  for (const [who, tile] of tiles) tile.showTrend(paths.get(who));
}

function growOlder() {
  for (const who of [...tiles.keys(), ...parked.keys()]) refreshWearer(who);
}

function bindOrder() {
  orderMenu.append(...Object.entries(ORDERS).map(([value, { label }]) => el("option", { value }, label)));
  if (!(order in ORDERS)) order = "name";
  orderMenu.value = order;
  orderMenu.addEventListener("change", () => {
    order = orderMenu.value;
    writePref("order", order);
    reorder(true);
  });
}

measureDigit();
bindOrder();
bindTheme(document.querySelector("#theme"));
bindProjector();
startSessionControl(document.querySelector("#session-control"));
startStrip();
startTray(document.querySelector("#tray"));
document.querySelector("#straps").addEventListener("click", openStraps);
subscribe(["beat:", "tile:", "person:", "strap:"], refresh);
subscribeSeconds(showTrends);
setInterval(growOlder, 1000);
setInterval(() => order !== "name" && reorder(), REORDER_MS);
connect();
