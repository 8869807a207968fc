// Asks the server: reads its data, sends actions, and turns its refusals into errors with a sentence and a field.

/** Whether this screen may change something; the server refuses it anyway. */
export const MAY_CHANGE = document.documentElement.dataset.may !== "look";

/** A refusal; `field` names the wrong one, or is null. */
export class Refusal extends Error {
  constructor(sentence, field) {
    super(sentence);
    this.field = field ?? null;
  }
}

export function getData(path) {
  return request(`/data/${path}`, {});
}

export function act(name, body = {}) {
  const headers = { "Content-Type": "application/json" };
  return request(`/actions/${name}`, { method: "POST", headers, body: JSON.stringify(body) });
}

async function request(url, options) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Refusal("Beatstream does not answer. Try again in a moment.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Refusal(answer.error ?? `Beatstream answered ${response.status}.`, answer.field);
}
