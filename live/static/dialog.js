// One kind of <dialog> for all: titled, modal, closed by Escape or a click beside it; focus goes back to where it was.
import { Refusal } from "/static/actions.js";
import { el, setText } from "/static/dom.js";

const SURE_MS = 5000;
let numbers = 0;

/** Opens a dialog. `fill(dialog)` returns `{content, close}`: what is in it, and what to call at its end. */
export function openDialog(title, fill) {
  const id = `dialog-${++numbers}`;
  const close = el(
    "button",
    { class: "quiet close", type: "button", "aria-label": "Close", onclick: () => dialog.close() },
    "✕",
  );
  const dialog = el("dialog", { "aria-labelledby": id }, el("header", {}, el("h2", { id }, title), close));
  const filled = fill(dialog);
  dialog.append(el("div", { class: "content" }, filled.content));
  let pressed = false;
  dialog.addEventListener("pointerdown", (event) => (pressed = isBeside(dialog, event)));
  // Where text is selected beyond the dialog, the click is told to it, too.
  dialog.addEventListener("click", (event) => pressed && isBeside(dialog, event) && dialog.close());
  dialog.addEventListener("close", () => {
    filled.close?.();
    dialog.remove();
    if (document.activeElement === document.body) document.querySelector("main").focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  dialog.querySelector("[data-first]")?.focus();
  return dialog;
}

function isBeside(dialog, { target, clientX: x, clientY: y }) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return target === dialog && (x < left || x > right || y < top || y > bottom);
}

/** Where a dialog says what went wrong. */
export function complaint() {
  return el("p", { class: "complaint", role: "alert" });
}

/** Runs an action; a refusal is shown as a sentence. Says whether it went well. */
export async function attempt(place, action) {
  setText(place, "");
  try {
    await action();
    return true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    setText(place, error.message);
    return false;
  }
}

/** A button that acts on the second click only. */
export function twoClickButton(label, sure, action) {
  let timer = 0;
  const button = el("button", { type: "button", class: "danger", onclick: click }, label);
  const calmDown = () => {
    clearTimeout(timer);
    timer = 0;
    setText(button, label);
  };
  function click() {
    if (timer) {
      calmDown();
      action();
      return;
    }
    setText(button, sure);
    timer = setTimeout(calmDown, SURE_MS);
  }
  return button;
}
