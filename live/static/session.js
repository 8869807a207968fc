// One session: what it was for each person, with files to take along.
import { getData } from "/static/actions.js";
import { serverNow } from "/static/clock.js";
import { el } from "/static/dom.js";
import { connect, subscribe } from "/static/events.js";
import { KINDS, UNKNOWN, bpm, clock, day, decimal, lasted, standing, withUnit } from "/static/format.js";
import { present, setTitle, startPage, subject } from "/static/page.js";
import { labelledZoneBar, zoneTimeList } from "/static/zones.js";

const AGAIN_MS = 10_000;
const RECOVERED_MS = 75_000;
const SETTLED_MS = 10_000;
const id = subject();
const rows = document.querySelector("#summary tbody");
let changesUntil = Infinity;

const load = () => present(loadSession);

async function loadSession() {
  const { session, entries } = await getData(`sessions/${encodeURIComponent(id)}`);
  changesUntil = lastChange(session);
  setTitle(session.name || KINDS[session.kind]);
  document.querySelector("#about").textContent = about(session);
  const rest = session.kind === "rest";
  document.querySelector("#rmssd").hidden = !rest;
  rows.replaceChildren(...entries.map((entry) => row(entry, rest)));
  document.querySelector("#nobody").hidden = entries.length > 0;
}

/** Until when the summary may still change: the minute after a marked stop counts, and the last beats take a moment. */
function lastChange({ ended_at: end, stop_marked_at: stop }) {
  if (!end) return Infinity;
  return Math.max(Date.parse(end) + SETTLED_MS, stop ? Date.parse(stop) + RECOVERED_MS : 0);
}

function mayChange() {
  const unread = serverNow() * 1000 < changesUntil + AGAIN_MS;
  return unread && !document.hidden && !rows.contains(document.activeElement);
}

function about({ kind, started_at: start, ended_at: end, stop_marked_at: stop }) {
  const told = [
    KINDS[kind] ?? kind,
    day(start),
    end
      ? `${clock(start)} to ${clock(end)}, ${lasted(start, end)}`
      : `from ${clock(start)}, ${standing(start).toLowerCase()}`,
  ];
  if (stop) told.push(`stop marked at ${clock(stop)}`);
  return told.join(" · ");
}

function row(entry, rest) {
  const {
    user_id: userId,
    user_name: name,
    zone_seconds: zoneSeconds,
    points,
    energy_kcal: energy,
    recovery_bpm: recovery,
  } = entry;
  const known = userId !== 0;
  const page = `/person/${userId}?session=${encodeURIComponent(id)}`;
  const file = (kind) => el(
    "a",
    {
      class: "button",
      href: `/data/sessions/${encodeURIComponent(id)}/people/${userId}.${kind}`,
      download: true,
      "aria-label": `${kind.toUpperCase()} of ${name}`,
    },
    kind.toUpperCase(),
  );
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, known ? el("a", { href: page }, name) : name),
    el("td", { class: "number" }, bpm(entry.avg_heart_rate)),
    el("td", { class: "number" }, bpm(entry.max_heart_rate)),
    el(
      "td",
      { class: "times" },
      zoneSeconds ? [labelledZoneBar(zoneSeconds), zoneTimeList(zoneSeconds)] : "HRmax unknown",
    ),
    el("td", { class: "number" }, decimal(points)),
    el(
      "td",
      { class: "number" },
      energy === null ? UNKNOWN : [`≈ ${Math.round(energy)} `, el("small", {}, "estimate")],
    ),
    el("td", { class: "number" }, withUnit(recovery, "bpm")),
    rest ? el("td", { class: "number" }, withUnit(entry.rmssd_ms, "ms", 1)) : null,
    el("td", {}, known ? el("div", { class: "row" }, file("csv"), file("fit")) : "nobody's strap"),
  );
}

startPage();
subscribe("session", load);
setInterval(() => mayChange() && load(), AGAIN_MS);
connect();
load();
