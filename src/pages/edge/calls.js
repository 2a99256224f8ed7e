// Calls to the worker. The credential is only in this module's memory, not in storage or in an address.

let authorization = null;

/** Sets the credential for all calls; null removes it. */
export function signIn(credential) {
  authorization = credential;
}

/** The failure of a call, with a text for the page. */
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** Sends a GET for a path of this worker; resolves to its JSON, parsed by `read`. */
export async function call(path, signal = undefined, read = JSON.parse) {
  // Without cookies, so that only the entered credential counts.
  const options = { credentials: "omit", cache: "no-store", redirect: "error", signal };
  const headers = authorization === null ? {} : { Authorization: authorization };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The worker cannot be reached. Check the network connection.");
  }
  const text = await response.text().catch(() => "");
  let body = null;
  try {
    body = read(text);
  } catch {
    // Not an answer of the worker, since these are JSON.
  }
  if (!response.ok) throw new Refusal(response.status, words(response, body));
  if (body === null) throw new Refusal(response.status, "The worker's answer cannot be read.");
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
