// Lets a heart on the page pulse as the person's did, a fixed delay later: events arrive unevenly, pulses do not.
// One clock starts all that are due, so that a hundred hearts do not keep the page from showing numbers.
import { serverNow } from "/static/clock.js";

const PLAYOUT_S = 1;
const TOO_LATE_S = 0.5;
const TICK_MS = 50;
const SWOLLEN_S = 0.15;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const swollen = new Map();
let due = [];

export function schedulePulses(heart, moments) {
  if (calm.matches || document.hidden || !moments) return;
  for (const moment of moments) due.push({ heart, at: moment + PLAYOUT_S });
}

function tick() {
  const now = serverNow();
  for (const [heart, until] of swollen) if (until <= now) relax(heart);
  const ripe = due.filter(({ at }) => at <= now);
  if (!ripe.length) return;
  due = due.filter(({ at }) => at > now);
  for (const { heart, at } of ripe) if (now - at < TOO_LATE_S) swell(heart, now);
}

function swell(heart, now) {
  heart.classList.add("swollen");
  swollen.set(heart, now + SWOLLEN_S);
}

function relax(heart) {
  heart.classList.remove("swollen");
  swollen.delete(heart);
}

setInterval(tick, TICK_MS);
