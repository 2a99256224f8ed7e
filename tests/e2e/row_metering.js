// The worker, with a data set that logs the points written to it, and further lines of a test.

import entry from "./entry.js";

export * from "./entry.js";

export default {
  ...entry,
  fetch(request, env, ctx) {
    return entry.fetch(request, { ...env, METRICS: dataset(env.ALSO_LOGGED) }, ctx);
  },
};

function dataset(also) {
  return {
    writeDataPoint(point) {
      if (also !== undefined) console.log(`also ${also}`);
      console.log(`point ${JSON.stringify(point)}`);
    },
  };
}
