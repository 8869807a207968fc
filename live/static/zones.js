// How zones look wherever they are shown: five steps, and a bar of the time spent in each. Never colour alone.
import { el } from "/static/dom.js";
import { duration, zoneTimes } from "/static/format.js";

export const ZONES = [1, 2, 3, 4, 5];

/** Five rising steps; CSS fills as many as the zone of the nearest [data-zone]. */
export function zoneSteps() {
  return el("span", { class: "steps", "aria-hidden": "true" }, ZONES.map(() => el("span", { class: "step" })));
}

/** Fills a bar with the time in zones 0 to 5; its colours repeat what the text beside it or its label says. */
export function fillZoneBar(bar, zoneSeconds) {
  while (bar.children.length < 6) bar.append(el("span", { class: `part z${bar.children.length}` }));
  const total = (zoneSeconds ?? []).reduce((sum, seconds) => sum + seconds, 0);
  [...bar.children].forEach((part, zone) => {
    const share = total ? zoneSeconds[zone] / total : 0;
    part.style.flexGrow = String(Math.round(share * 1000));
    part.hidden = share < 0.005;
  });
}

/** A bar that stands alone, with its text as label. */
export function labelledZoneBar(zoneSeconds) {
  const bar = el("span", { class: "zone-bar", role: "img", "aria-label": `Time in zones: ${zoneTimes(zoneSeconds)}` });
  fillZoneBar(bar, zoneSeconds);
  return bar;
}

/** "Z2 12:03  Z3 4:10", each in its colour. */
export function zoneTimeList(zoneSeconds) {
  const items = ZONES.filter((zone) => zoneSeconds[zone] >= 1).map((zone) =>
    el("li", { "data-zone": zone }, el("span", { class: "zone-name" }, `Z${zone}`), ` ${duration(zoneSeconds[zone])}`),
  );
  return el("ul", { class: "zone-times", "aria-label": "Time in zones" }, items);
}
