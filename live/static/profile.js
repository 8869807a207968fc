// What is known of a person and may be changed: the form of a profile, and the erasure of everything about them.
import { Refusal, act } from "/static/actions.js";
import { attempt, complaint, openDialog } from "/static/dialog.js";
import { el, setAttribute, setText } from "/static/dom.js";
import { parts, subscribe } from "/static/events.js";

const NUMBERS = new Set(["birth_year", "weight_kg", "hr_max", "hr_rest"]);
const NO_REPORT = "No report of it has come. If the person is still listed, delete once more.";
const SEXES = [["", "Not told"], ["female", "Female"], ["male", "Male"]];

/** Opens the form of a person as `/data/people` tells them; without one, of a new person. `saved` is called after. */
export function openProfile(person, saved = () => {}) {
  const problem = complaint();
  const form = el(
    "form",
    { class: "fields profile" },
    field("user_name", "Name", { required: true, maxlength: 60, "data-first": true }),
    field("alias", "Alias, shown instead of the name", { maxlength: 60 }),
    el("div", { class: "pair" }, field("birth_year", "Birth year", { inputmode: "numeric" }), sexField()),
    field("weight_kg", "Weight, kg", { inputmode: "decimal" }),
    el(
      "div",
      { class: "pair" },
      field("hr_max", "HRmax, bpm", { inputmode: "numeric" }),
      field("hr_rest", "Resting HR, bpm", { inputmode: "numeric" }),
    ),
    checkbox("hidden", "Not on the board"),
    person?.hr_max_learnt ? checkbox("forget_learnt", `Forget the learnt HRmax (${person.hr_max_learnt} bpm)`) : null,
    problem,
    el("div", { class: "buttons" }, el("button", { class: "primary" }, "Save")),
  );
  fill(form, person ?? {});
  const dialog = openDialog(person ? `Edit ${person.user_name}` : "New person", () => ({ content: form }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearFaults(form, problem);
    try {
      await act("person", read(form, person));
      dialog.close();
      saved();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      showFault(form, problem, error);
    }
  });
}

function field(name, label, attributes) {
  const fault = el("span", { class: "complaint", id: `fault-${name}` });
  return el(
    "div",
    { class: "field" },
    el("label", {}, label, el("input", { name, autocomplete: "off", ...attributes })),
    fault,
  );
}

function sexField() {
  const options = SEXES.map(([value, label]) => el("option", { value }, label));
  const fault = el("span", { class: "complaint", id: "fault-sex" });
  return el(
    "div",
    { class: "field" },
    el("label", {}, "Sex, for energy", el("select", { name: "sex" }, options)),
    fault,
  );
}

function checkbox(name, label) {
  return el("label", {}, el("input", { type: "checkbox", name }), label);
}

function fill(form, person) {
  for (const control of form.elements) {
    if (control.type === "checkbox") control.checked = Boolean(person[control.name]);
    else if (control.name) control.value = person[control.name] ?? "";
  }
}

/** The whole profile; what is empty is null. What is no number goes to the server as it is, to be refused by name. */
function read(form, person) {
  const profile = person ? { user_id: person.user_id } : {};
  for (const control of form.elements) {
    if (!control.name) continue;
    const text = control.value.trim();
    const number = Number(text.replace(",", "."));
    if (control.type === "checkbox") profile[control.name] = control.checked;
    else if (text === "") profile[control.name] = null;
    else profile[control.name] = NUMBERS.has(control.name) && !Number.isNaN(number) ? number : text;
  }
  return profile;
}

function clearFaults(form, problem) {
  setText(problem, "");
  for (const fault of form.querySelectorAll("[id^='fault-']")) setText(fault, "");
  for (const control of form.elements) {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-describedby");
  }
}

function showFault(form, problem, { field: name, message }) {
  const control = name && form.elements[name];
  const fault = control && form.querySelector(`#fault-${CSS.escape(name)}`);
  if (!fault) {
    setText(problem, message);
    return;
  }
  setText(fault, message);
  setAttribute(control, "aria-invalid", "true");
  setAttribute(control, "aria-describedby", fault.id);
  control.focus();
}

/** Asks for the name as a confirmation, erases, and tells what was removed. `erased` is called when told. */
export function openErasure({ user_id: userId, user_name: name }, erased = () => {}) {
  const problem = complaint();
  const confirm = el("button", { class: "danger", disabled: true }, "Delete all data");
  const typed = el(
    "input",
    {
      type: "text",
      autocomplete: "off",
      "data-first": true,
      oninput: () => (confirm.disabled = typed.value.trim() !== name.trim()),
    },
  );
  const form = el(
    "form",
    { class: "fields" },
    el("p", {}, `All heartbeats, sessions' results and the profile of ${name} go for good. Straps are handed back.`),
    el("label", {}, `Type the name: ${name}`, typed),
    problem,
    el("div", { class: "buttons" }, confirm),
  );
  const report = el("div", { role: "status", class: "erasure" });
  let stop = () => {};
  openDialog(`Delete all data of ${name}`, () => ({ content: el("div", {}, form, report), close: () => stop() }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    confirm.disabled = true;
    const started = await attempt(problem, async () => {
      const { erasure_id: id } = await act("erase", { user_id: userId });
      form.hidden = true;
      stop = followErasure(id, report, erased);
    });
    if (!started) confirm.disabled = false;
  });
}

function followErasure(id, report, erased) {
  const key = `erasure:${id}`;
  let begun = false;
  const show = () => {
    const removed = parts.get(key)?.removed;
    begun ||= parts.has(key);
    if (!removed) {
      report.replaceChildren(begun && !parts.has(key) ? NO_REPORT : "Deleting…");
      return;
    }
    report.replaceChildren(removedTable(removed));
    erased();
  };
  show();
  return subscribe(key, show);
}

function removedTable(removed) {
  const rows = Object.entries(removed).map(([table, count]) =>
    el("tr", {}, el("th", { scope: "row" }, table), el("td", { class: "number" }, String(count))),
  );
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, "Table"),
    el("th", { scope: "col", class: "number" }, "Rows removed"),
  );
  return el("table", {}, el("caption", {}, "Deleted"), el("thead", {}, head), el("tbody", {}, rows));
}
