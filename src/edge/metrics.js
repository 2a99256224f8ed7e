// Data points for Workers Analytics Engine, which knows their fields by their places only (docs/operations.md).

/** A data set to write to; the worker calls `write` once for each request. */
export class Metrics {
  #dataset;

  constructor(dataset) {
    this.#dataset = dataset;
  }

  write(route, status, environment, source, documentAge, objects, duration) {
    this.#dataset.writeDataPoint({
      // The index for sampling: under many requests each environment keeps points of its own. It has a maximum length.
      indexes: [environment.slice(0, 96)],
      blobs: [route, `${Math.trunc(status / 100)}xx`, environment, source],
      doubles: [status, documentAge, objects, duration],
    });
  }
}
