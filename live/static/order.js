// The order of tiles, and how they move: seldom, for a difference that means something, so that the eye can follow.

const MOVE_MS = 700;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** What can be ordered by, and the difference from which a tile moves. */
export const ORDERS = {
  name: { label: "Name" },
  hr: { label: "Heart rate", value: (entry) => entry.hr, least: 4 },
  share: { label: "% of maximum", value: (entry) => entry.share, least: 0.03 },
  points: { label: "Effort points", value: (entry) => entry.points, least: 1 },
};

/** Brings entries `{who, name, hr, share, points}` from their order into the one they should have. `exact`: at once. */
export function arrange(entries, order, exact = false) {
  const { value, least } = ORDERS[order];
  const enough = exact ? 0 : least;
  if (!value) return [...entries].sort((a, b) => byName.compare(a.name, b.name));
  const number = (entry) => value(entry) ?? -Infinity;
  const arranged = [];
  for (const entry of entries) {
    let place = arranged.length;
    while (place > 0 && number(entry) > number(arranged[place - 1]) + enough) place -= 1;
    arranged.splice(place, 0, entry);
  }
  return arranged;
}

/** Puts elements into this order and lets them glide from where they were. Keyboard focus stays. */
export function placeInOrder(container, elements) {
  if (elements.every((element, index) => container.children[index] === element)) return;
  const before = new Map([...container.children].map((element) => [element, element.getBoundingClientRect()]));
  const focused = document.activeElement;
  container.append(...elements);
  if (container.contains(focused)) focused.focus({ preventScroll: true });
  if (calm.matches) return;
  for (const element of elements) {
    const from = before.get(element);
    const to = element.getBoundingClientRect();
    const [dx, dy] = [from ? from.x - to.x : 0, from ? from.y - to.y : 0];
    if (!dx && !dy) continue;
    element.animate(
      [{ transform: `translate(${dx}px, ${dy}px)` }, { transform: "none" }],
      { duration: MOVE_MS, easing: "cubic-bezier(.3,0,.1,1)" },
    );
  }
}
