// Calls to the worker. The credential is in this module's memory and nowhere else: not in storage, not in an address.

let authorization = null;

/** Uses a credential from now on; null forgets it. */
export function signIn(credential) {
  authorization = credential;
}

/** The reason that a call failed, in words for people. */
export class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** GET of a path here; resolves to its JSON as `read` reads it. */
export async function call(path, signal = undefined, read = JSON.parse) {
  // Cookies stay out: only the credential that was typed in counts.
  const options = { credentials: "omit", cache: "no-store", redirect: "error", signal };
  const headers = authorization === null ? {} : { Authorization: authorization };
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The worker cannot be reached. Is there a connection?");
  }
  const text = await response.text().catch(() => "");
  let body = null;
  try {
    body = read(text);
  } catch {
    // What is no JSON is no answer of the worker's.
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
