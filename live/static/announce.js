// Says on the window that a beat stands on the page now: the latency benchmark listens.

export function announceBeat(who, beat) {
  dispatchEvent(new CustomEvent("beatstream:beat", { detail: { who, at: beat.at, hr: beat.hr } }));
}
