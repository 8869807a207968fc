// Says in words when the screen or the server is cut off; a quiet dot while all is well.
import { parts, subscribe } from "/static/events.js";
import { setText } from "/static/dom.js";

/** Fills an element with role "status". */
export function connectionText(place) {
  const tell = () => {
    const link = parts.get("link");
    const silent = link && (link.broker === false || link.moose === false);
    const open = document.body.dataset.connection === "open";
    setText(place, open ? (silent ? "The stack does not answer" : "") : "Reconnecting…");
    place.parentElement.dataset.well = String(open && !silent);
  };
  subscribe("link", tell);
  new MutationObserver(tell).observe(document.body, { attributeFilter: ["data-connection"] });
  tell();
}
