// In place of src/edge/warm_up.js: no warm-up.

import worker from "../../build/index.js";

export const { start } = worker.prototype;
