// Asks the server. An answer that is a problem is thrown as one.

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.body = body;
  }
}

/** GET one of the reads with the parameters that say something. */
export async function ask(what, parameters, signal) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value != null);
  const answer = await fetch(`/api/v1/${what}?${new URLSearchParams(given)}`, {
    headers: { Accept: "application/json" }, signal,
  });
  const body = await answer.json().catch(() => ({}));
  signal?.throwIfAborted();
  if (answer.status === 401) window.location.reload();
  if (!answer.ok) throw new Problem(answer.status, body);
  return body;
}
