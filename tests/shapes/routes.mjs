// Routes of Flagsmith's API: paths with names in place of the parts that differ between requests.

const ENVIRONMENT_KEY = /^(\/api\/\w+\/environments\/)(?!get-by-uuid\/)[^/]+(?=\/)/;
// In recordings, `<<uuid-1>>` stands for a uuid.
const UUID = /\/(?:<<uuid-\d+>>|%3C%3Cuuid-\d+%3E%3E|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=\/|$)/gi;
const NUMBER = /\/\d+(?=\/|$)/g;

/** The route of a request's target, without its query. */
export function routeOf(target) {
  const [path] = target.split("?");
  return path.replace(ENVIRONMENT_KEY, "$1{key}").replaceAll(UUID, "/{uuid}").replaceAll(NUMBER, "/{id}");
}

/** The name of an answer in the table: of this route or, with `*`, of any. */
export function answerName(method, route, status) {
  return `${method} ${route} ${status}`;
}

/** The name of the answer with this status that is the same on every route. */
export function commonName(status) {
  return `* ${status}`;
}
