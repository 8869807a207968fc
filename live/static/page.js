// What every page beside the board begins with: theme menu, connection, and loading that is tried again if it failed.
import { Refusal, getData } from "/static/actions.js";
import { connectionText } from "/static/connection.js";
import { attempt } from "/static/dialog.js";
import { setText } from "/static/dom.js";
import { parts, subscribe } from "/static/events.js";
import { bindTheme } from "/static/prefs.js";

const problem = document.querySelector("#problem");
const failed = new Map();
let asking = false;

export function startPage() {
  bindTheme(document.querySelector("#theme"));
  connectionText(document.querySelector("#connection"));
  subscribe("link", () => parts.get("link")?.moose && [...failed.keys()].forEach(present));
}

/** Loads and shows; a refusal is told on the page, and it is tried again when the stack is back. */
export async function present(load) {
  try {
    await load();
    failed.delete(load);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    failed.set(load, error.message);
  }
  setText(problem, [...failed.values()][0] ?? "");
}

/**
 * Does something with a person as they are at this moment: a profile is saved whole, so what another screen changed
 * must be in the form. One click at a time; a refusal is told on the page, and nobody wants it done later.
 */
export async function withPerson(userId, action) {
  if (asking) return;
  asking = true;
  try {
    await attempt(problem, async () => {
      const { entries } = await getData("people");
      const person = entries.find(({ user_id: id }) => id === userId);
      if (person) action(person);
    });
  } finally {
    asking = false;
  }
}

/** Title of the page and of the window. */
export function setTitle(text) {
  setText(document.querySelector("h1"), text);
  document.title = `${text} – Beatstream`;
}

/** The last step of this page's path: what it is about. */
export function subject() {
  return decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1));
}
