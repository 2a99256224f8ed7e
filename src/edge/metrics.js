// Data points for Workers Analytics Engine, which identifies fields by position only (docs/operations.md).

/** A data set to write to; the worker calls `write` once for each request. */
export class Metrics {
  #dataset;

  constructor(dataset) {
    this.#dataset = dataset;
  }

  write(route, status, environment, source, documentAge, objects, duration) {
    this.#dataset.writeDataPoint({
      // The index for sampling, which keeps points of each environment under high load. Its length is limited.
      indexes: [environment.slice(0, 96)],
      blobs: [route, `${Math.trunc(status / 100)}xx`, environment, source],
      doubles: [status, documentAge, objects, duration],
    });
  }
}
