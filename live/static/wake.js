// Keeps the screen awake while it is a wall. The browser drops the lock when the page is hidden: it is asked for again.

let wanted = false;
let lock = null;

export function keepAwake(on) {
  wanted = on;
  if (on) acquire();
  else release();
}

async function acquire() {
  if (!wanted || lock || document.hidden || !("wakeLock" in navigator)) return;
  try {
    const fresh = await navigator.wakeLock.request("screen");
    lock = fresh;
    fresh.addEventListener("release", () => (lock = null));
    if (!wanted) release();
  } catch {
    // Refused, on low battery for example: the screen may sleep.
  }
}

function release() {
  lock?.release();
  lock = null;
}

document.addEventListener("visibilitychange", acquire);
