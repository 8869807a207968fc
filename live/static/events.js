// Holds what the server tells, as parts, and says what changed. Keeps the stream alive: silence, sleep, a lost network
// and a restarted server all end in a new connection that resumes after the last event.
import { observeServerNow } from "/static/clock.js";

const SILENCE_MS = 5000;
const DOUBT_MS = 1500;
const RETRY_MS = 800;
const ASK_MS = 5000;

/** Key to value, as in docs/live.md. */
export const parts = new Map();

const listeners = new Set();
const secondsListeners = new Set();
let source = null;
let lastId = null;
let heardAt = 0;
let retry = 0;
let askedAt = 0;

/** Calls `tell(keys)` with the changed keys that begin with one of the prefixes. Returns how to stop it. */
export function subscribe(prefixes, tell) {
  const listener = { prefixes: [prefixes].flat(), tell };
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls `tell(rows, whole)` with new seconds of the group; `whole` when they replace all before. */
export function subscribeSeconds(tell) {
  secondsListeners.add(tell);
}

/** Begins to listen; to be called once by each page, after it has subscribed. */
export function connect() {
  setInterval(() => silentFor(SILENCE_MS) && open(), 1000);
  document.addEventListener("visibilitychange", () => !document.hidden && silentFor(DOUBT_MS) && open());
  addEventListener("online", open);
  addEventListener("offline", () => show("reconnecting"));
  addEventListener("pageshow", (event) => event.persisted && open());
  addEventListener("pagehide", () => source?.close());
  open();
}

function silentFor(ms) {
  return Date.now() - heardAt > ms;
}

function open() {
  clearTimeout(retry);
  source?.close();
  if (heardAt) show("reconnecting");
  heardAt = Date.now();
  source = new EventSource(lastId === null ? "/events" : `/events?last_event_id=${encodeURIComponent(lastId)}`);
  source.addEventListener("snapshot", (event) => take(event, true));
  source.addEventListener("changes", (event) => take(event, false));
  source.addEventListener("error", lose);
}

function lose() {
  // A stream that was refused is closed; one whose network or server is away would be tried again by the browser.
  if (source.readyState === EventSource.CLOSED) askForEntry();
  source.close();
  show("reconnecting");
  clearTimeout(retry);
  retry = setTimeout(open, RETRY_MS * (0.5 + Math.random()));
}

/** Where this very page is no longer to be had without a token, loading it again shows the form for it. */
async function askForEntry() {
  if (Date.now() - askedAt < ASK_MS) return;
  askedAt = Date.now();
  const answer = await fetch(location.href, { method: "HEAD" }).catch(() => null);
  if (answer?.status === 401) location.reload();
}

function take(event, whole) {
  heardAt = Date.now();
  lastId = event.lastEventId;
  const { now, set, gone, seconds } = JSON.parse(event.data);
  observeServerNow(now);
  const changed = new Set(whole ? parts.keys() : gone);
  for (const key of changed) parts.delete(key);
  for (const [key, value] of Object.entries(set)) {
    parts.set(key, value);
    changed.add(key);
  }
  show("open");
  tellParts([...changed]);
  if (whole || seconds?.length) for (const tell of secondsListeners) tell(seconds ?? [], whole);
}

function tellParts(changed) {
  for (const { prefixes, tell } of listeners) {
    const keys = changed.filter((key) => prefixes.some((prefix) => key.startsWith(prefix)));
    if (keys.length) tell(keys);
  }
}

function show(state) {
  if (document.body.dataset.connection !== state) document.body.dataset.connection = state;
}
