// Who wears what: the dialogs that name a strap, hand it on or back, ignore strangers' straps and show them again.
import { MAY_CHANGE, act, getData } from "/static/actions.js";
import { attempt, complaint, openDialog, twoClickButton } from "/static/dialog.js";
import { el, setText } from "/static/dom.js";
import { parts, subscribe } from "/static/events.js";
import { bpm } from "/static/format.js";
import { allStraps, batteryText, isFresh, signalText } from "/static/signal.js";
import { zoneTimeList } from "/static/zones.js";

const NOT_TOLD_OF = { hr: null, rssi_dbm: null, loss: null };

/** A strap of nobody: who wears it? */
export function openUnknownStrap(deviceId) {
  openDialog(MAY_CHANGE ? `Who wears strap ${deviceId}?` : `Strap ${deviceId}`, (dialog) => {
    const problem = complaint();
    const done = (name, body) => attempt(problem, () => act(name, body)).then((well) => well && dialog.close());
    const facts = liveFacts(deviceId);
    const ignore = el(
      "button",
      { type: "button", onclick: () => done("ignore", { device_id: deviceId }) },
      "Ignore this strap",
    );
    const content = [facts.element, chooser(deviceId, done), problem, el("div", { class: "buttons", "data-changes": true }, ignore)];
    return { content: el("div", {}, content), close: facts.close };
  });
}

/** A person on the board: what they wear, and who should. */
export function openPerson(who) {
  const userId = Number(who.slice(1));
  const name = parts.get(`person:${userId}`)?.name ?? `Person ${userId}`;
  openDialog(name, (dialog) => {
    const problem = complaint();
    const done = (action, body) => attempt(problem, () => act(action, body)).then((well) => well && dialog.close());
    const tile = parts.get(`tile:${who}`);
    const straps = wornBy(userId, tile).map((deviceId) => wornStrap(deviceId, done));
    const link = el("a", { class: "button", href: `/person/${userId}`, "data-first": true }, "Heart and zones");
    const spent = tile?.zone_seconds?.some((seconds) => seconds >= 1);
    const effort = spent ? [el("h3", {}, "Time in zones"), zoneTimeList(tile.zone_seconds)] : [];
    const content = el("div", {}, MAY_CHANGE ? el("p", {}, link) : null, effort, straps.map((strap) => strap.element), problem);
    return { content, close: () => straps.forEach((strap) => strap.close()) };
  });
}

function wornBy(userId, tile) {
  const worn = parts.get(`person:${userId}`)?.straps ?? [];
  return worn.length || !tile ? worn : [tile.device_id];
}

function wornStrap(deviceId, done) {
  const facts = liveFacts(deviceId);
  const back = el("button", { type: "button", onclick: () => done("hand-back", { device_id: deviceId }) }, "Hand back");
  const others = el("details", { "data-changes": true }, el("summary", {}, "Somebody else wears it"), chooser(deviceId, done));
  const element = el(
    "section",
    { class: "worn" },
    el("h3", {}, `Strap ${deviceId}`),
    facts.element,
    el("div", { class: "buttons", "data-changes": true }, back),
    others,
  );
  return { element, close: facts.close };
}

/** Number, heart rate, signal and battery of a strap, kept up to date until closed. */
function liveFacts(deviceId) {
  const values = { "Heart rate": el("dd", {}), Signal: el("dd", {}), Battery: el("dd", {}) };
  const list = Object.entries(values).map(([term, value]) => el("div", {}, el("dt", {}, term), value));
  const show = () => {
    const strap = parts.get(`strap:${deviceId}`) ?? NOT_TOLD_OF;
    setText(values["Heart rate"], `${bpm(isFresh(strap) ? strap.hr : null)} bpm`);
    setText(values.Signal, signalText(strap));
    setText(values.Battery, batteryText(strap));
  };
  show();
  const unsubscribe = subscribe(`strap:${deviceId}`, show);
  const timer = setInterval(show, 1000);
  const close = () => {
    unsubscribe();
    clearInterval(timer);
  };
  return { element: el("dl", { class: "facts" }, list), close };
}

/** A field that filters the people known; any name may make a new person. */
function chooser(deviceId, done) {
  const problem = complaint();
  const known = el("ul", { class: "people-list", "aria-label": "People known" });
  const fresh = el("button", { type: "button", class: "primary", onclick: assignNew });
  const field = el("input", { type: "text", autocomplete: "off", maxlength: 60, "data-first": true, oninput: show });
  const form = el(
    "form",
    { class: "fields chooser", "data-changes": true, onsubmit: enter },
    el("label", {}, "Pick a person, or type a new name", field),
    known,
    problem,
    fresh,
  );
  let people = [];
  const alike = new Map();

  const typed = () => field.value.trim();
  const fold = (text) => text.toLocaleLowerCase();
  const names = (person) => [person.user_name, person.alias].filter(Boolean);
  const matches = () => people.filter((person) => names(person).some((name) => fold(name).includes(fold(typed()))));
  const called = (field) => people.filter((person) => fold(person[field] ?? "") === fold(typed()));
  const label = (person) => (person.alias ? `${person.user_name} (${person.alias})` : person.user_name);

  function show() {
    known.replaceChildren(...matches().map((person) => el("li", {}, personButton(person))));
    fresh.hidden = typed() === "";
    setText(fresh, `New person “${typed()}”`);
    setText(problem, "");
  }
  function personButton(person) {
    const worn = person.straps.length ? `wears ${person.straps.join(", ")}` : "";
    return el(
      "button",
      { type: "button", onclick: () => done("assign", { device_id: deviceId, user_id: person.user_id }) },
      alike.get(fold(label(person))) > 1 ? `${label(person)} · ${person.user_id}` : label(person),
      el("small", {}, worn),
    );
  }
  function assignNew() {
    done("assign", { device_id: deviceId, user_name: typed() });
  }
  async function enter(event) {
    event.preventDefault();
    await listed;
    if (!typed()) return;
    const [byName, byAlias] = [called("user_name"), called("alias")];
    const [person, ...others] = byName.length ? byName : byAlias;
    if (others.length) setText(problem, "Several people are called that. Pick one of them.");
    else if (person) done("assign", { device_id: deviceId, user_id: person.user_id });
    else assignNew();
  }

  show();
  // Until it is there, Enter would take a person known for a new one.
  const listed = getData("people").then(({ entries }) => {
    people = entries.sort((a, b) => a.user_name.localeCompare(b.user_name, "en"));
    for (const key of people.map((person) => fold(label(person)))) alike.set(key, (alike.get(key) ?? 0) + 1);
    show();
  }, () => {});
  return form;
}

/** All straps: who wears them, which are ignored, and the end of the day. */
export function openStraps() {
  openDialog("Straps", (dialog) => {
    const problem = complaint();
    const run = (name, body) => attempt(problem, () => act(name, body));
    const lists = el("div", {});
    const show = () => lists.replaceChildren(...strapLists(run, dialog));
    show();
    const gone = twoClickButton(
      "Everybody has gone",
      "Sure? Hand back all straps",
      async () => (await run("hand-back-all")) && dialog.close(),
    );
    const content = el("div", {}, lists, problem, el("div", { class: "buttons", "data-changes": true }, gone));
    return { content, close: subscribeIdentity(show) };
  });
}

/** Tells only of a new wearer or of being ignored, so that a list does not change under the finger. */
function subscribeIdentity(tell) {
  const identity = () => {
    const straps = allStraps().map(({ device_id: id, user_id: wearer, ignored }) => [id, wearer, ignored]);
    return JSON.stringify(straps);
  };
  let before = identity();
  return subscribe(["strap:", "person:"], () => {
    const now = identity();
    if (now !== before) tell();
    before = now;
  });
}

function strapLists(run, dialog) {
  const straps = allStraps();
  const worn = straps.filter((strap) => strap.user_id !== 0);
  const free = straps.filter((strap) => strap.user_id === 0 && !strap.ignored);
  const ignored = straps.filter((strap) => strap.user_id === 0 && strap.ignored);
  const open = (action) => () => {
    dialog.close();
    action();
  };
  return [
    ...group(
      "Worn",
      worn,
      (strap) => row(
        strap,
        parts.get(`person:${strap.user_id}`)?.name,
        "Change",
        open(() => openPerson(`p${strap.user_id}`)),
      ),
    ),
    ...group(
      "Nobody's",
      free,
      (strap) => row(strap, "", "Who wears it?", open(() => openUnknownStrap(strap.device_id))),
    ),
    ...group(
      "Ignored",
      ignored,
      (strap) => row(strap, "", "Show again", () => run("heed", { device_id: strap.device_id })),
    ),
  ];
}

function group(title, straps, toRow) {
  return straps.length ? [el("h3", {}, title), el("ul", { class: "strap-list" }, straps.map(toRow))] : [];
}

function row(strap, name, action, onclick) {
  const button = el(
    "button",
    { type: "button", "data-changes": true, "aria-label": `${action}: strap ${strap.device_id}`, onclick },
    action,
  );
  return el("li", {}, el("span", {}, name ? `${name}, strap ${strap.device_id}` : `Strap ${strap.device_id}`), button);
}
