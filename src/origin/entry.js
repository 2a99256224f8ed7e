// The entry module of the origin's worker. Only the edge calls it, by its binding.

import origin, * as rust from "../../build/origin/index.js";
import { objectClass } from "../platform/object_class.js";

const { start } = origin.prototype;

export default {
  /** One object answers everything, so that requests run one after the other. */
  fetch(request, env) {
    return env.ORIGIN.getByName("origin").fetch(request);
  },
};

/** The object of the origin. */
export const OriginObject = objectClass(start, rust.OriginObject, ["fetch"]);
