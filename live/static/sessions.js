// All sessions, newest first.
import { getData } from "/static/actions.js";
import { el } from "/static/dom.js";
import { connect, subscribe } from "/static/events.js";
import { KINDS, clock, day, lasted } from "/static/format.js";
import { present, startPage } from "/static/page.js";

const list = document.querySelector("#sessions tbody");

const load = () => present(loadSessions);

async function loadSessions() {
  const { entries } = await getData("sessions");
  list.replaceChildren(...entries.map(row));
  document.querySelector("#none").hidden = entries.length > 0;
}

function row(session) {
  const { session_id: id, name, kind, started_at: start, ended_at: end } = session;
  const time = end ? lasted(start, end) : el("strong", {}, "Running");
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, el("a", { href: `/sessions/${encodeURIComponent(id)}` }, name || KINDS[kind])),
    el("td", {}, KINDS[kind] ?? kind),
    el("td", {}, day(start)),
    el("td", { class: "number" }, clock(start)),
    el("td", { class: "number" }, time),
  );
}

startPage();
subscribe("session", load);
connect();
load();
