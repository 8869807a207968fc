// Starts a session, marks the stop of the effort, ends it.
import { act } from "/static/actions.js";
import { attempt, complaint, openDialog, twoClickButton } from "/static/dialog.js";
import { el } from "/static/dom.js";
import { parts, subscribe } from "/static/events.js";
import { KINDS } from "/static/format.js";

export function startSessionControl(place) {
  const problem = complaint();
  const run = (name) => attempt(problem, () => act(name));
  const start = el("button", { type: "button", class: "primary", onclick: openStart }, "Start session");
  const stop = el(
    "button",
    { type: "button", title: "The effort ends now; recovery counts from here", onclick: () => run("mark-stop") },
    "Mark stop",
  );
  const end = twoClickButton("End session", "Sure? End it", () => run("end-session"));
  place.append(start, stop, end, problem);
  const show = () => {
    const session = parts.get("session");
    start.hidden = Boolean(session);
    end.hidden = !session;
    stop.hidden = !session || Boolean(session.stop_marked_at);
  };
  subscribe("session", show);
  show();
}

function openStart() {
  const problem = complaint();
  const kinds = Object.entries(KINDS).map(([value, label]) => el("option", { value }, label));
  const form = el(
    "form",
    { class: "fields" },
    el(
      "label",
      {},
      "Name",
      el("input", { name: "name", required: true, maxlength: 60, autocomplete: "off", "data-first": true }),
    ),
    el("label", {}, "Kind", el("select", { name: "kind" }, kinds)),
    problem,
    el("div", { class: "buttons" }, el("button", { class: "primary" }, "Start session")),
  );
  const dialog = openDialog("Start a session", () => ({ content: form }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { name: form.elements.name.value.trim(), kind: form.elements.kind.value };
    if (await attempt(problem, () => act("start-session", body))) dialog.close();
  });
}
