// Calls to the worker. The credential is only in this module's memory, not in storage or in an address.

let authorization = null;
/** Aborts the session's calls when it ends. */
let session = new AbortController();

/** Sets the credential for all calls; null removes it. Calls with the earlier one are aborted. */
export function signIn(credential) {
  session.abort();
  session = new AbortController();
  authorization = credential;
}

/** The failure of a call, with a text for the page. `status` is 0 without an answer; `body` is the answer's JSON, or null. */
export class Refusal extends Error {
  constructor(status, text, body = null) {
    super(text);
    this.status = status;
    this.body = body;
  }
}

/** Sends a GET for a path of this worker; resolves to its JSON, parsed by `read`. */
export async function call(path, signal = undefined, read = JSON.parse) {
  const body = await exchange(path, { signal }, read);
  if (body === null) throw new Refusal(0, "The worker's answer cannot be read.");
  return body;
}

/** Sends a request with a JSON body; resolves to the answer's JSON, or null for an answer without a body. */
export function send(method, path, body = undefined) {
  const options = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  return exchange(path, { method, ...options }, JSON.parse);
}

async function exchange(path, { headers = {}, signal, ...options }, read) {
  const sent = authorization === null ? headers : { ...headers, Authorization: authorization };
  const signals = AbortSignal.any([session.signal, ...(signal === undefined ? [] : [signal])]);
  let response;
  try {
    // Without cookies, so that only the entered credential counts.
    response = await fetch(path, { ...options, headers: sent, credentials: "omit", cache: "no-store", redirect: "error", signal: signals });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The worker cannot be reached. Check the network connection.");
  }
  const text = await response.text().catch(() => "");
  let body = null;
  try {
    body = read(text);
  } catch {
    // Not an answer of the worker, since these are JSON or empty.
  }
  // The session may have ended while the body was read.
  signals.throwIfAborted();
  if (!response.ok) throw new Refusal(response.status, words(response, body), body);
  return body;
}

function words(response, body) {
  const said = typeof body?.detail === "string" ? body.detail : `It was answered with status ${response.status}.`;
  const wait = Number(response.headers.get("retry-after"));
  const again = wait > 0 ? ` Try again in ${wait} ${wait === 1 ? "second" : "seconds"}.` : "";
  switch (response.status) {
    case 400:
      return body === null || typeof body.detail === "string" ? said : `It was refused: ${JSON.stringify(body)}`;
    case 401:
      return `This credential is not accepted: ${said}`;
    case 403:
      return `This credential may not do that: ${said}`;
    case 429:
      return `Too many requests.${again}`;
    case 502:
    case 504:
      return `The Flagsmith behind this worker does not answer: ${said}`;
    case 503:
      return `${said}${again}`;
    default:
      return said;
  }
}
