// A person's two charts: heart rate on the ground of the zones, and the RR intervals of the same time.
import { color, draw, timeAxis, translucent, valueAxis } from "/static/charts.js";

const GAP_S = 5;
const ROOM_BPM = 6;

export function drawHeartRate(place, seconds, zones, start, end) {
  const options = {
    cursor: cursor(),
    scales: { y: { range: (chart, low, high) => [(low ?? 60) - ROOM_BPM, (high ?? 180) + ROOM_BPM] } },
    axes: [timeAxis(), valueAxis({ label: "bpm", labelSize: 18, labelFont: "12px system-ui, sans-serif" })],
    bands: [{ series: [1, 2], fill: () => translucent("text", 0.2) }],
    series: [{}, edge(), edge(), { stroke: () => color("text"), width: 1.8, points: { show: false } }],
    hooks: { drawClear: [(chart) => zones && paintZones(chart, zones.lower_bpm)] },
  };
  return draw(place, options, withGaps(seconds, start, end));
}

/** Shown at the same moment in both charts; what else the mouse does in one is followed by `zoomTogether`. */
function cursor() {
  const shared = new Set(["mousemove", "mouseleave"]);
  return { drag: { x: true, y: false }, sync: { key: "person", filters: { pub: (type) => shared.has(type) } } };
}

function edge() {
  return { stroke: "transparent", width: 0, points: { show: false } };
}

/** Columns second, max, min, avg, from start to end; an empty row where nothing was heard for longer than GAP_S. */
function withGaps(seconds, start, end) {
  const columns = [[], [], [], []];
  const add = (row) => row.forEach((value, index) => columns[index].push(value));
  let before = Infinity;
  add([start, null, null, null]);
  for (const [second, average, least, most] of seconds) {
    if (second - before > GAP_S) add([before + 1, null, null, null]);
    add([second, most, least, average]);
    before = second;
  }
  add([end, null, null, null]);
  return columns;
}

function paintZones(chart, lower) {
  const { ctx, bbox } = chart;
  const y = (value) => Math.min(bbox.top + bbox.height, Math.max(bbox.top, chart.valToPos(value, "y", true)));
  ctx.save();
  lower.forEach((bound, index) => {
    const top = index === lower.length - 1 ? bbox.top : y(lower[index + 1]);
    const height = y(bound) - top;
    ctx.fillStyle = translucent(`z${index + 1}-fill`, 0.28);
    ctx.fillRect(bbox.left, top, bbox.width, height);
    if (height < 16 * devicePixelRatio) return;
    ctx.fillStyle = color("muted");
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    ctx.fillText(`Z${index + 1}`, bbox.left + bbox.width - 6 * devicePixelRatio, top + height / 2);
  });
  ctx.restore();
}

export function drawIntervals(place, beats, start, end) {
  const known = beats.filter(([, interval]) => interval !== null);
  const options = {
    cursor: cursor(),
    axes: [timeAxis(), valueAxis({ label: "RR, ms", labelSize: 18, labelFont: "12px system-ui, sans-serif" })],
    series: [
      {},
      {
        stroke: () => color("chart"),
        fill: () => color("chart"),
        paths: () => null,
        points: { show: true, size: 3, width: 0, fill: () => color("chart") },
      },
    ],
  };
  return draw(
    place,
    options,
    [[start, ...known.map(([at]) => at), end], [null, ...known.map(([, interval]) => interval), null]],
  );
}
