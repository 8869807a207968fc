// All sessions, newest first.
import { MAY_CHANGE, getData } from "/static/actions.js";
import { el } from "/static/dom.js";
import { connect, subscribe } from "/static/events.js";
import { KINDS, clock, day, lasted, standing } from "/static/format.js";
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
  const stands = standing(start);
  const time = end ? lasted(start, end) : stands === "Running" ? el("strong", {}, stands) : stands;
  const title = name || KINDS[kind];
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, MAY_CHANGE ? el("a", { href: `/sessions/${encodeURIComponent(id)}` }, title) : title),
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
