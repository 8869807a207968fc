// The group's last ten minutes and each person's last minute, second by second.
import { subscribeSeconds } from "/static/events.js";

const KEPT_S = 600;
const TREND_S = 60;
const GAP_S = 5;
const LEAST_SPAN_BPM = 16;

/** Rows of docs/live.md, ascending. */
export let seconds = [];

subscribeSeconds((rows, whole) => {
  const fresh = new Set(rows.map(([second]) => second));
  const kept = whole ? [] : seconds.filter(([second]) => !fresh.has(second));
  seconds = [...kept, ...rows].sort((a, b) => a[0] - b[0]).slice(-KEPT_S);
});

/** The last minute of everybody as SVG paths, 60 wide and 20 high. */
export function trendPaths() {
  const newest = seconds.at(-1)?.[0] ?? 0;
  const points = new Map();
  for (const [second, , , , , people] of seconds.slice(-TREND_S)) {
    if (second <= newest - TREND_S) continue;
    for (const [who, bpm] of Object.entries(people ?? {})) {
      if (!points.has(who)) points.set(who, []);
      points.get(who).push([second - newest + TREND_S, bpm]);
    }
  }
  return new Map([...points].map(([who, line]) => [who, path(line)]));
}

function path(line) {
  const rates = line.map(([, bpm]) => bpm);
  const middle = (Math.min(...rates) + Math.max(...rates)) / 2;
  const span = Math.max(LEAST_SPAN_BPM, Math.max(...rates) - Math.min(...rates));
  let before = -Infinity;
  const steps = line.map(([x, bpm]) => {
    const pen = x - before > GAP_S ? "M" : "L";
    before = x;
    return `${pen}${x} ${(10 - ((bpm - middle) / span) * 18).toFixed(1)}`;
  });
  return steps.join("");
}
