// The strip above the tiles: clock, session and timer, the group's average and range, people per zone, the connection.
import { serverNow } from "/static/clock.js";
import { connectionText } from "/static/connection.js";
import { parts, subscribe, subscribeSeconds } from "/static/events.js";
import { el, setAttribute, setText } from "/static/dom.js";
import { bpm, clock, duration, KINDS, plural } from "/static/format.js";
import { startGroupChart } from "/static/group-chart.js";
import { seconds } from "/static/seconds.js";
import { readWearer } from "/static/tile.js";
import { ZONES, zoneSteps } from "/static/zones.js";

const FRESH_S = 6;
const find = (selector) => document.querySelector(selector);

export function startStrip() {
  const counts = ZONES.map((zone) => {
    const count = el("span", { class: "count" }, "0");
    const label = el("span", { class: "zone-name" }, `Z${zone}`);
    find("#zones").append(el("li", { "data-zone": zone }, zoneSteps(), label, count));
    return count;
  });
  connectionText(find("#connection"));
  startGroupChart(find("#group-chart"));
  subscribe(["beat:", "tile:"], () => showZones(counts));
  subscribe("session", showTime);
  subscribeSeconds(showGroup);
  setInterval(showTime, 1000);
  setInterval(showGroup, 1000);
  setInterval(() => showZones(counts), 1000);
  showTime();
}

function showTime() {
  const now = serverNow();
  const session = parts.get("session");
  setText(find("#clock"), clock(now));
  setText(find("#session-name"), session ? session.name || KINDS[session.kind] : "No session");
  setText(find("#timer"), session ? duration(now - session.started_at) : "");
  const stop = session?.stop_marked_at;
  setText(find("#since-stop"), stop ? `Stop ${duration(now - stop)} ago` : "");
}

function showGroup() {
  const newest = seconds.at(-1);
  const fresh = newest && serverNow() - newest[0] < FRESH_S && newest[4] > 0;
  const [, average, least, most, people] = fresh ? newest : [];
  setText(find("#average"), bpm(average));
  setText(find("#range"), fresh ? `${bpm(least)}–${bpm(most)}` : "");
  setText(find("#count"), fresh ? plural(people, "heart", "hearts") : "Nobody heard");
}

function showZones(counts) {
  const inZone = ZONES.map(() => 0);
  for (const [key, tile] of parts) {
    if (!key.startsWith("tile:") || tile.user_id === 0) continue;
    const { state, beat } = readWearer(parts, tile.who);
    if (state === "live" && beat?.zone) inZone[beat.zone - 1] += 1;
  }
  counts.forEach((count, index) => {
    setText(count, String(inZone[index]));
    setAttribute(count.parentElement, "data-none", inZone[index] ? null : "");
  });
}
