// What all charts share: colours that follow the theme, axes, size, and zooming that works without a mouse too.
import { el } from "/static/dom.js";
import { clock, clockWithSeconds } from "/static/format.js";

const uPlot = window.uPlot;
const FONT = "12px system-ui, sans-serif";
const LEAST_SPAN_S = 10;
const probe = el("span", { hidden: true });
document.body.append(probe);
const removals = new Map();

/** The colour of a CSS custom property, resolved for the theme of now. */
export function color(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

export function translucent(name, alpha) {
  return color(name).replace(/^rgba?\(([^,)]+,[^,)]+,[^,)]+).*\)$/, `rgba($1, ${alpha})`);
}

export function timeAxis() {
  return {
    ...axis(),
    size: 26,
    space: 70,
    values: (chart, ticks) => ticks.map(ticks.length > 1 && ticks[1] - ticks[0] < 60 ? clockWithSeconds : clock),
  };
}

export function valueAxis(options = {}) {
  return { ...axis(), size: 46, space: 24, ...options };
}

function axis() {
  return {
    font: FONT,
    stroke: () => color("muted"),
    grid: { stroke: () => color("line"), width: 1 },
    ticks: { show: false },
  };
}

/** Draws a chart that fills its place, instead of the one before, and follows the theme. */
export function draw(place, options, data) {
  removals.get(place)?.();
  const size = () => ({ width: Math.max(50, place.clientWidth), height: Math.max(40, place.clientHeight) });
  const chart = new uPlot({ ...size(), legend: { show: false }, ...options }, data, place);
  const observer = new ResizeObserver(() => chart.setSize(size()));
  const repaint = () => chart.redraw(false);
  observer.observe(place);
  addEventListener("themechange", repaint);
  removals.set(place, () => {
    observer.disconnect();
    removeEventListener("themechange", repaint);
    chart.destroy();
  });
  return chart;
}

/** Charts that always show the same time, and buttons to zoom and move for those who do not drag. */
export function zoomTogether(charts, start, end, toolbar) {
  const show = (min, max) => charts.forEach((chart) => chart.setScale("x", { min, max }));
  const follow = ({ scales: { x: { min, max } } }) => {
    const behind = charts.filter(({ scales: { x } }) => x.min !== min || x.max !== max);
    for (const chart of behind) chart.setScale("x", { min, max });
  };
  for (const chart of charts) (chart.hooks.setScale ??= []).push((leader, key) => key === "x" && follow(leader));
  const change = (factor, shift) => {
    const { min, max } = charts[0].scales.x;
    const span = Math.min(end - start, Math.max(LEAST_SPAN_S, (max - min) * factor));
    const middle = (min + max) / 2 + shift * (max - min);
    const from = Math.min(Math.max(start, middle - span / 2), end - span);
    show(from, from + span);
  };
  const button = (text, action) => el("button", { type: "button", onclick: action }, text);
  toolbar.replaceChildren(
    button("Zoom in", () => change(0.5, 0)),
    button("Zoom out", () => change(2, 0)),
    button("Earlier", () => change(1, -0.5)),
    button("Later", () => change(1, 0.5)),
    button("Whole", () => show(start, end)),
  );
}
