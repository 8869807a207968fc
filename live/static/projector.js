// Full screen and projector mode: the wall without controls and cursor, and a screen that stays awake.
import { readPref, writePref } from "/static/prefs.js";
import { keepAwake } from "/static/wake.js";

const IDLE_MS = 3000;
const body = document.body;
let idle = 0;

export function bindProjector() {
  const fullScreen = document.querySelector("#full-screen");
  fullScreen.hidden = !document.fullscreenEnabled;
  fullScreen.addEventListener("click", toggleFullScreen);
  document.querySelector("#projector").addEventListener("click", () => setProjector(true));
  document.querySelector("#leave-projector").addEventListener("click", () => setProjector(false));
  document.addEventListener("fullscreenchange", () => {
    fullScreen.setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
    keepAwakeIfWall();
  });
  addEventListener("keydown", leaveByKey);
  addEventListener("pointermove", stir);
  setProjector(readPref("projector", "off") === "on");
}

function setProjector(on) {
  body.dataset.projector = on ? "on" : "off";
  writePref("projector", body.dataset.projector);
  keepAwakeIfWall();
  stir();
}

function leaveByKey(event) {
  const free = !document.querySelector("dialog[open]");
  if (event.key === "Escape" && free && body.dataset.projector === "on") setProjector(false);
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => {});
}

function keepAwakeIfWall() {
  keepAwake(body.dataset.projector === "on" || Boolean(document.fullscreenElement));
}

/** A moved pointer shows the cursor and the way out for a moment. */
function stir() {
  body.dataset.stirred = "true";
  clearTimeout(idle);
  idle = setTimeout(() => (body.dataset.stirred = "false"), IDLE_MS);
}
