// Makes elements from data; text always as text.

const SVG = "http://www.w3.org/2000/svg";

/** `el("p", {class: "note", onclick: …}, "text", child)`; an attribute that is null or false is left out. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Removes an element; the keyboard's place, if it was in there, goes to the page's main part. */
export function discard(element) {
  const focused = element.contains(document.activeElement);
  element.remove();
  if (focused) document.querySelector("main").focus();
}

/** Sets text only where it differs: no needless layout. Says whether it did. */
export function setText(element, text) {
  if (element.textContent === text) return false;
  element.textContent = text;
  return true;
}

/** Sets or (null) removes an attribute where it differs. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}
