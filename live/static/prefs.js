// What this screen remembers in localStorage: order, theme, projector mode. The theme is applied before anything shows.

const PREFIX = "beatstream.";

export function readPref(name, otherwise) {
  try {
    return localStorage.getItem(PREFIX + name) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export function writePref(name, value) {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // A screen that may not store forgets at the next load.
  }
}

function applyTheme(theme) {
  document.documentElement.dataset.theme = theme;
  dispatchEvent(new CustomEvent("themechange"));
}

/** Binds a <select> with auto, dark and light. */
export function bindTheme(select) {
  select.value = readPref("theme", "auto");
  select.addEventListener("change", () => {
    writePref("theme", select.value);
    applyTheme(select.value);
  });
}

applyTheme(readPref("theme", "auto"));
matchMedia("(prefers-color-scheme: dark)").addEventListener(
  "change",
  () => dispatchEvent(new CustomEvent("themechange")),
);
