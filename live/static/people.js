// Everybody known: their profiles, zones and straps, to be edited, exported or erased.
import { MAY_CHANGE, getData } from "/static/actions.js";
import { el } from "/static/dom.js";
import { connect, parts, subscribe } from "/static/events.js";
import { UNKNOWN, hrMaxSource } from "/static/format.js";
import { present, startPage, withPerson } from "/static/page.js";
import { openErasure, openProfile } from "/static/profile.js";
import { ZONES } from "/static/zones.js";

const SETTLE_MS = 150;
const rows = document.querySelector("#people tbody");
let told = "";
let timer = 0;

const load = () => present(loadPeople);

async function loadPeople() {
  show((await getData("people")).entries);
}

function show(people) {
  const focused = document.activeElement?.dataset?.action;
  rows.replaceChildren(...people.sort((a, b) => a.user_name.localeCompare(b.user_name, "en")).map(row));
  if (focused) rows.querySelector(`[data-action="${CSS.escape(focused)}"]`)?.focus();
  document.querySelector("#nobody").hidden = people.length > 0;
}

function row(person) {
  const { user_id: id, user_name: name, alias, hidden, hr_rest: rest, straps, zones } = person;
  const link = MAY_CHANGE ? el("a", { href: `/person/${id}` }, name) : name;
  return el(
    "tr",
    { "data-person": id },
    el("th", { scope: "row" }, link, hidden ? el("small", { class: "tag" }, "not on the board") : null),
    el("td", {}, alias ?? ""),
    el("td", { class: "number" }, zones ? hrMax(zones) : UNKNOWN),
    el("td", { class: "number" }, rest === null ? UNKNOWN : String(rest)),
    el("td", {}, zones ? zoneBounds(zones) : "Unknown"),
    el("td", {}, straps.join(", ") || UNKNOWN),
    el(
      "td",
      {},
      el(
        "div",
        { class: "row", "data-changes": true },
        action("Edit", person, () => withPerson(id, (current) => openProfile(current, load))),
        el(
          "a",
          {
            class: "button",
            href: `/data/people/${id}/export.zip`,
            download: true,
            "data-action": `Export-${id}`,
            "aria-label": `Export ${name}`,
          },
          "Export",
        ),
        action("Delete", person, () => openErasure(person, load)),
      ),
    ),
  );
}

function hrMax(zones) {
  const mark = zones.hr_max_source === "estimated" ? "≈ " : "";
  return [`${mark}${zones.hr_max}`, el("small", { class: "source" }, hrMaxSource(zones))];
}

/** Where zones 1 to 5 begin. */
function zoneBounds({ basis, lower_bpm: lower }) {
  const bounds = ZONES.map((zone) =>
    el("li", { "data-zone": zone }, el("span", { class: "zone-name" }, `Z${zone}`), ` ${Math.ceil(lower[zone - 1])}`),
  );
  return [
    el("ul", { class: "bounds" }, bounds),
    el("small", {}, basis === "hr_reserve" ? "from, of the reserve" : "from, of HRmax"),
  ];
}

function action(label, { user_id: id, user_name: name }, onclick) {
  return el(
    "button",
    { type: "button", "data-action": `${label}-${id}`, "aria-label": `${label} ${name}`, onclick },
    label,
  );
}

/** Loads again when it changed who people are or what they wear; heart rates do not matter here. */
function notice() {
  const identity = [...parts].flatMap(([key, value]) => {
    if (key.startsWith("person:")) return [[key, value]];
    return key.startsWith("strap:") ? [[key, value.user_id]] : [];
  });
  const now = JSON.stringify(identity.sort());
  if (now === told) return;
  told = now;
  clearTimeout(timer);
  timer = setTimeout(load, SETTLE_MS);
}

startPage();
document.querySelector("#new-person").addEventListener("click", () => openProfile(null, load));
subscribe(["person:", "strap:"], notice);
connect();
load();
