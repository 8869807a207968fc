// The straps heard, and how well: as four bars and in words.
import { serverNow } from "/static/clock.js";
import { el, setAttribute, setText } from "/static/dom.js";
import { parts } from "/static/events.js";
import { plural } from "/static/format.js";

const STEPS_DBM = [-90, -82, -72];
const WEAK_LOSS = 0.25;
const FRESH_S = 6;

/** Every strap that the server tells of. */
export function allStraps() {
  return [...parts].filter(([key]) => key.startsWith("strap:")).map(([, strap]) => strap);
}

/** Whether what a strap says is of now: the server tells, unless the screen is cut off from it. */
export function isFresh({ heard_at: heardAt }) {
  return serverNow() - heardAt < FRESH_S;
}

/** An element, and `show(strap)` to bring it up to date. */
export function signalMeter() {
  const bars = el("span", { class: "signal-bars", "aria-hidden": "true" }, [1, 2, 3, 4].map(() => el("span", {})));
  const text = el("span", { class: "signal-text" });
  const element = el("span", { class: "signal" }, bars, text);
  const show = (strap) => {
    setAttribute(bars, "data-level", level(strap));
    setText(text, signalText(strap));
  };
  return { element, show };
}

function level({ rssi_dbm: rssi, loss }) {
  const strength = rssi === null ? 4 : 1 + STEPS_DBM.filter((step) => rssi >= step).length;
  return loss > WEAK_LOSS ? Math.min(2, strength) : strength;
}

export function signalText({ rssi_dbm: rssi, loss }) {
  const told = [];
  if (rssi !== null) told.push(`${Math.round(rssi)} dBm`.replace("-", "−"));
  if (loss !== null) told.push(`${Math.round(loss * 100)} % lost`);
  return told.join(", ") || "Signal unknown";
}

export function batteryText({ battery, battery_low: low }) {
  return battery ? `${battery}${low ? " (low)" : ""}` : low ? "low" : "unknown";
}

export function strapCount(count) {
  return plural(count, "new strap", "new straps");
}
