// Numbers, times and terms as people read them.
import { serverNow } from "/static/clock.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const CLOCK_S = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", year: "numeric" });

const DAY_S = 86_400;
const AHEAD_S = 5;

export const UNKNOWN = "–";
export const KINDS = { class: "Class", training: "Training", test: "Test", rest: "Rest" };

/** Unix seconds or RFC 3339. */
function date(moment) {
  return new Date(typeof moment === "number" ? moment * 1000 : moment);
}

export function clock(moment) {
  return CLOCK.format(date(moment));
}

export function clockWithSeconds(moment) {
  return CLOCK_S.format(date(moment));
}

export function day(moment) {
  return DAY.format(date(moment));
}

export function unixSeconds(rfc3339) {
  return Date.parse(rfc3339) / 1000;
}

/** 65 → "1:05", 3665 → "1:01:05". */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = `${String(s).padStart(2, "0")}`;
  return h ? `${h}:${String(m).padStart(2, "0")}:${tail}` : `${m}:${tail}`;
}

/** Between two RFC 3339 moments. */
export function lasted(start, end) {
  return duration(unixSeconds(end) - unixSeconds(start));
}

/** How a session stands that nobody has ended, by its start: one that is announced has one to come. */
export function standing(start) {
  const agoS = serverNow() - unixSeconds(start);
  if (agoS < -AHEAD_S) return "Not begun";
  return agoS < DAY_S ? "Running" : "Not ended";
}

/** 12 → "12 s ago", 190 → "3 min ago". */
export function ago(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s ago`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min ago` : `${Math.floor(whole / 3600)} h ago`;
}

/** A heart rate; what is not known is never a number. */
export function bpm(value) {
  return value ? String(Math.round(value)) : "--";
}

export function decimal(value, digits = 0) {
  return value === null || value === undefined ? UNKNOWN : value.toFixed(digits);
}

export function withUnit(value, unit, digits = 0) {
  return value === null || value === undefined ? UNKNOWN : `${decimal(value, digits)} ${unit}`;
}

export function percent(share) {
  return share === null || share === undefined ? "" : `${Math.round(share * 100)} %`;
}

/** "12 min in zone 2, 40 s in zone 3". */
export function zoneTimes(zoneSeconds) {
  const tell = (seconds, zone) => (seconds >= 1 ? [`${roughly(seconds)} in zone ${zone}`] : []);
  const told = (zoneSeconds ?? []).flatMap(tell);
  return told.length ? told.join(", ") : "no time in zones yet";
}

function roughly(seconds) {
  return seconds < 60 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

export function plural(count, one, many) {
  return `${count} ${count === 1 ? one : many}`;
}

/** "estimated by Tanaka 2001": where the HRmax of a person's zones comes from. */
export function hrMaxSource(zones) {
  if (!zones) return "unknown";
  return zones.formula ? `${zones.hr_max_source} by ${zones.formula}` : zones.hr_max_source;
}
