// The few drawings the pages need, as SVG elements that take the colour of the text.
import { svg } from "/static/dom.js";

const HEART = "M12 20.5 4.2 12.9a5 5 0 0 1 0-7.1 5 5 0 0 1 7.1 0l.7.7.7-.7a5 5 0 0 1 7.1 0 5 5 0 0 1 0 7.1z";

export function heartIcon() {
  return icon("heart", svg("path", { d: HEART, fill: "currentColor" }));
}

export function batteryIcon() {
  const body = { x: 2, y: 7, width: 17, height: 10, rx: 2, fill: "none", stroke: "currentColor", "stroke-width": 2 };
  const rest = { x: 4.5, y: 9.5, width: 3, height: 5, fill: "currentColor" };
  return icon(
    "battery",
    svg("rect", body),
    svg("rect", rest),
    svg("path", { d: "M20.5 10v4h2v-4z", fill: "currentColor" }),
  );
}

export function weakSignalIcon() {
  const bars = [0, 1, 2, 3].map((i) =>
    svg(
      "rect",
      {
        x: 3 + i * 5,
        y: 16 - i * 4,
        width: 3.4,
        height: 4 + i * 4,
        fill: i ? "none" : "currentColor",
        stroke: "currentColor",
      },
    ),
  );
  return icon("weak", ...bars);
}

function icon(name, ...shapes) {
  return svg("svg", { class: `icon icon-${name}`, viewBox: "0 0 24 24", "aria-hidden": "true" }, ...shapes);
}
