// The entry module of the origin's worker. Only the edge calls it, by its binding.

import origin, * as rust from "../../build/origin/index.js";
import { objectClass } from "../platform/object_class.js";

const { start } = origin.prototype;

/** The descriptions of the API, which are static files. */
const DESCRIPTIONS = ["/api/v1/swagger.json", "/api/v1/swagger.yaml"];

export default {
  /** One object answers everything else, so that requests run one after the other. */
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (DESCRIPTIONS.includes(pathname)) return env.ASSETS.fetch(request);
    // The edge forwards experiments' events, too. They have no endpoint here, and must not keep the object busy.
    if (!pathname.startsWith("/api/")) return Response.json({ detail: "Not found." }, { status: 404 });
    return env.STATE.getByName("origin").fetch(request);
  },
};

/** The object of the origin. */
export const OriginObject = objectClass(start, rust.OriginObject, ["fetch"]);
