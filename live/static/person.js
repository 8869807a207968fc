// One person's heart over a session or the last hour: heart rate in the zones, RR intervals, sums; and their privacy.
import { getData } from "/static/actions.js";
import { el, setAttribute } from "/static/dom.js";
import { connect, parts, subscribe } from "/static/events.js";
import {
  KINDS,
  UNKNOWN,
  bpm,
  clock,
  day,
  decimal,
  duration,
  hrMaxSource,
  unixSeconds,
  withUnit,
} from "/static/format.js";
import { present, setTitle, startPage, subject, withPerson } from "/static/page.js";
import { drawHeartRate, drawIntervals } from "/static/person-charts.js";
import { openErasure, openProfile } from "/static/profile.js";
import { zoomTogether } from "/static/charts.js";

const STORED_MS = 3000;
const find = (selector) => document.querySelector(selector);
const userId = Number(subject());
const sessionId = new URLSearchParams(location.search).get("session");
let updatedAt;

const load = () => present(loadHistory);

function question() {
  if (sessionId !== null) return `session=${encodeURIComponent(sessionId)}`;
  return "";
}

async function loadHistory() {
  const history = await getData(`people/${userId}/history?${question()}`);
  const [start, end] = [unixSeconds(history.start), unixSeconds(history.end)];
  setTitle(history.user_name);
  find("#about").textContent = `${day(start)}, ${clock(start)} to ${clock(end)}`;
  showSummary(history);
  showZones(history);
  showCharts(history, start, end);
}

function showCharts({ seconds, beats, zones, summary }, start, end) {
  const heard = seconds.length > 0;
  find("#charts").hidden = !heard;
  find("#nothing").hidden = heard;
  if (!heard) return;
  const charts = [
    drawHeartRate(find("#heart-rate"), seconds, zones, start, end),
    drawIntervals(find("#intervals"), beats, start, end),
  ];
  const told = summary ?? {};
  const range = `from ${bpm(told.min_heart_rate)} to ${bpm(told.max_heart_rate)} bpm`;
  setAttribute(
    find("#heart-rate"),
    "aria-label",
    `Heart rate over time: average ${bpm(told.avg_heart_rate)}, ${range}`,
  );
  setAttribute(find("#intervals"), "aria-label", `RR intervals over time: ${beats.length} beats`);
  zoomTogether(charts, start, end, find("#zoom"));
}

function showSummary({ summary }) {
  if (!summary) return;
  const { energy_kcal: energy, recovery_bpm: recovery, rmssd_ms: rmssd } = summary;
  const facts = [
    ["Average", `${bpm(summary.avg_heart_rate)} bpm`],
    ["Highest", `${bpm(summary.max_heart_rate)} bpm`],
    ["Lowest", `${bpm(summary.min_heart_rate)} bpm`],
    ["Beats", String(summary.beat_count)],
    ["Effort points (Edwards)", decimal(summary.points)],
    ["Energy, estimate", energy === null ? UNKNOWN : `≈ ${Math.round(energy)} kcal`],
    ["Recovery in 60 s", withUnit(recovery, "bpm")],
    ["RMSSD at rest", withUnit(rmssd, "ms", 1)],
  ];
  find("#facts").replaceChildren(
    ...facts.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
  );
}

function showZones({ zones, summary }) {
  find("#zones").hidden = !zones;
  if (!zones) return;
  const spent = summary?.zone_seconds;
  const total = Math.max(1, (spent ?? []).reduce((sum, seconds) => sum + seconds, 0));
  const lower = zones.lower_bpm.map(Math.ceil);
  const basis = zones.basis === "hr_reserve" ? `the reserve from ${zones.hr_rest} to` : "HRmax";
  find("#zones caption").textContent = `Zones of ${basis} ${zones.hr_max} bpm (${hrMaxSource(zones)})`;
  const row = (zone) => zoneRow(zone, zoneBounds(zone, lower), spent?.[zone], total);
  find("#zones tbody").replaceChildren(...[5, 4, 3, 2, 1, 0].map(row));
}

function zoneBounds(zone, lower) {
  if (zone === 0) return `below ${lower[0]}`;
  return zone === 5 ? `from ${lower[4]}` : `${lower[zone - 1]} to ${lower[zone] - 1}`;
}

function zoneRow(zone, bounds, spent, total) {
  const bar = el("span", { class: `part z${zone}` });
  bar.style.width = `${((spent ?? 0) / total) * 100}%`;
  return el(
    "tr",
    { "data-zone": zone },
    el("th", { scope: "row", class: "zone-name" }, `Z${zone}`),
    el("td", { class: "number" }, bounds),
    el("td", { class: "number" }, spent === undefined ? UNKNOWN : duration(spent)),
    el("td", { class: "share-bar" }, bar),
  );
}

async function loadSessions() {
  const menu = find("#session");
  const { entries } = await getData("sessions");
  const options = entries.map(({ session_id: id, name, kind, started_at: start }) =>
    el("option", { value: id }, `${name || KINDS[kind]}, ${day(start)} ${clock(start)}`),
  );
  menu.replaceChildren(el("option", { value: "" }, "Last hour"), ...options);
  menu.value = sessionId ?? "";
}

/** Loads again when the profile is another, from whatever screen; once more when sums can be of the stored one. */
function notice() {
  const now = parts.get(`person:${userId}`)?.updated_at;
  if (now === undefined || now === updatedAt) return;
  if (updatedAt !== undefined) {
    load();
    setTimeout(load, STORED_MS);
  }
  updatedAt = now;
}

/** Nothing of the person is left to be shown. */
function showErased() {
  for (const place of ["#charts", "#person", ".columns"]) find(place).hidden = true;
}

function choose({ target: { value } }) {
  location.assign(value ? `?session=${encodeURIComponent(value)}` : location.pathname);
}

startPage();
find("#session").addEventListener("change", choose);
find("#edit").addEventListener("click", () => withPerson(userId, (person) => openProfile(person)));
find("#erase").addEventListener("click", () => withPerson(userId, (person) => openErasure(person, showErased)));
subscribe(`person:${userId}`, notice);
connect();
load();
present(loadSessions);
