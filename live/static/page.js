// What every page beside the board begins with: theme menu, connection, and loading that is tried again if it failed.
import { Refusal } from "/static/actions.js";
import { connectionText } from "/static/connection.js";
import { setText } from "/static/dom.js";
import { parts, subscribe } from "/static/events.js";
import { bindTheme } from "/static/prefs.js";

const problem = document.querySelector("#problem");
const failed = new Map();

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

/** Title of the page and of the window. */
export function setTitle(text) {
  setText(document.querySelector("h1"), text);
  document.title = `${text} – Beatstream`;
}

/** The last step of this page's path: what it is about. */
export function subject() {
  return decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1));
}
