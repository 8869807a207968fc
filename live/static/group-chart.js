// The group's last ten minutes: the average as a line in the band from the lowest to the highest.
import { color, draw, timeAxis, translucent, valueAxis } from "/static/charts.js";
import { subscribeSeconds } from "/static/events.js";
import { setAttribute } from "/static/dom.js";
import { bpm } from "/static/format.js";
import { seconds } from "/static/seconds.js";

const SPAN_S = 600;
const LABEL_MS = 10_000;

export function startGroupChart(place) {
  const chart = draw(place, options(), columns());
  let labelledAt = 0;
  subscribeSeconds(() => {
    chart.setData(columns());
    if (Date.now() - labelledAt < LABEL_MS) return;
    labelledAt = Date.now();
    setAttribute(place, "aria-label", label());
  });
}

function columns() {
  const column = (index) => seconds.map((row) => row[index]);
  return [column(0), column(3), column(2), column(1)];
}

function options() {
  const edge = { stroke: "transparent", width: 0, points: { show: false } };
  const average = { stroke: () => color("chart"), width: 2.5, points: { show: false } };
  return {
    padding: [8, 18, 0, 0],
    cursor: { show: false },
    scales: { x: { range: lastTenMinutes }, y: { range: (chart, low, high) => around(low, high) } },
    axes: [timeAxis(), valueAxis({ size: 34 })],
    bands: [{ series: [1, 2], fill: () => translucent("chart", 0.2) }],
    series: [{}, edge, edge, average],
  };
}

function lastTenMinutes(chart, low, high) {
  const end = high ?? Date.now() / 1000;
  return [end - SPAN_S, end];
}

function around(low, high) {
  const known = low !== null && low !== undefined;
  return known ? [Math.floor((low - 5) / 10) * 10, Math.ceil((high + 5) / 10) * 10] : [60, 180];
}

function label() {
  const told = seconds.filter((row) => row[4] > 0);
  if (!told.length) return "Group heart rate of the last ten minutes: nothing yet";
  const average = told.reduce((sum, row) => sum + row[1], 0) / told.length;
  const [least, most] = [Math.min(...told.map((row) => row[2])), Math.max(...told.map((row) => row[3]))];
  return `Group heart rate of the last ten minutes: average ${bpm(average)}, from ${bpm(least)} to ${bpm(most)} bpm`;
}
