// The server's clock, from the `now` of its events: ages and beats are told in it, whatever this machine's clock says.

const WINDOW = 40;
const STEP_S = 2;
let offsets = [];
let offset = 0;

/** An event was delayed by at least 0 s, so the largest difference of late is the truest. */
export function observeServerNow(now) {
  const sample = now - Date.now() / 1000;
  if (offsets.length && Math.abs(sample - offset) > STEP_S) offsets = [];
  offsets.push(sample);
  if (offsets.length > WINDOW) offsets.shift();
  offset = Math.max(...offsets);
}

/** Unix seconds by the server's clock. */
export function serverNow() {
  return Date.now() / 1000 + offset;
}
