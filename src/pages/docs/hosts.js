// Keeps a description's requests on this host. Every server and sign-in address becomes this host's, and nothing is fetched
// from another host.
//
// A description has URLs in many places. They are visited by the structure that OpenAPI defines, because an example or a
// schema may have members with the same names.

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
const REFERENCES = ["$ref", "$dynamicRef", "$id", "$schema", "$self", "jsonSchemaDialect"];
/** Matches Markdown, or HTML within it, that loads pictures, sounds or films. */
const LOADING = /!+(?=\[)|<(?=(?:audio|embed|iframe|image|img|input|link|object|picture|source|svg|table|tbody|td|tfoot|th|thead|tr|track|video)\b)/gi;
const SIGN_IN_URLS = ["authorizationUrl", "tokenUrl", "refreshUrl", "deviceAuthorizationUrl", "openIdConnectUrl"];

/** Copies a description, OpenAPI 3 or Swagger 2, so that it causes no request to a host other than `origin`. */
export function onHost(description, origin) {
  const own = withoutLoads(structuredClone(description), origin);
  const { components = {} } = own;
  const paths = [own.paths, own.webhooks, components.pathItems, ...each(components.callbacks)].flatMap(each);
  for (const item of paths) pathItem(item, origin);
  for (const response of each(components.responses)) links(response?.links, origin);
  links(components.links, origin);
  for (const scheme of each(components.securitySchemes ?? own.securityDefinitions)) signIn(scheme, origin);
  // Without a leading slash, a path would become part of the host's name.
  for (const path of Object.keys(own.paths ?? {})) if (!path.startsWith("/")) delete own.paths[path];
  if (own.swagger === undefined) own.servers = [server(own.servers?.[0], origin)];
  else {
    const { host, protocol } = new URL(origin);
    const { pathname } = new URL(here(own.basePath ?? "/", origin));
    Object.assign(own, { host, schemes: [protocol.slice(0, -1)], basePath: pathname });
  }
  return own;
}

function pathItem(item, origin) {
  replaceServers(item, origin);
  const operations = [...METHODS.map((method) => item?.[method]), ...each(item?.additionalOperations)];
  for (const operation of operations.filter(isObject)) {
    replaceServers(operation, origin);
    // Swagger 2: an operation must not choose another scheme.
    delete operation.schemes;
    for (const response of each(operation.responses)) links(response?.links, origin);
    for (const callback of each(operation.callbacks)) for (const inner of each(callback)) pathItem(inner, origin);
  }
}

function replaceServers(place, origin) {
  if (Array.isArray(place?.servers)) place.servers = place.servers.slice(0, 1).map((first) => server(first, origin));
}

function links(all, origin) {
  for (const link of each(all)) {
    if (isObject(link?.server)) link.server = server(link.server, origin);
    if (isRemote(link?.operationRef, origin)) delete link.operationRef;
  }
}

function signIn(scheme, origin) {
  if (!isObject(scheme)) return;
  for (const flow of [scheme, ...each(scheme.flows)].filter(isObject)) {
    for (const name of SIGN_IN_URLS) if (typeof flow[name] === "string") flow[name] = here(flow[name], origin);
  }
}

/** Returns a server's path at this host, with the default values of its variables. */
function server({ url = "/", variables = {} } = {}, origin) {
  const value = (_, name) => String(variables[name]?.default ?? "");
  return { url: here(String(url).replaceAll(/\{([^}]*)\}/g, value), origin).replace(/\/$/, "") };
}

/** Returns a URL's path and query at `origin`. */
export function here(url, origin) {
  const { pathname, search } = URL.canParse(url, origin) ? new URL(url, origin) : new URL(origin);
  return origin + (pathname.startsWith("/") ? pathname : "/") + search;
}

/** Removes everything from a value that would be fetched from another host: documents, and media in texts. */
function withoutLoads(value, origin) {
  if (!isObject(value)) return value;
  for (const name of REFERENCES) if (isRemote(value[name], origin)) delete value[name];
  if (typeof value.description === "string") {
    value.description = value.description.replace(LOADING, (found) => (found === "<" ? "&lt;" : ""));
  }
  Object.values(value).forEach((inner) => withoutLoads(inner, origin));
  return value;
}

function isRemote(reference, origin) {
  if (typeof reference !== "string") return false;
  return !URL.canParse(reference, origin) || new URL(reference, origin).origin !== origin;
}

function each(object) {
  return isObject(object) ? Object.values(object) : [];
}

function isObject(value) {
  return typeof value === "object" && value !== null;
}
