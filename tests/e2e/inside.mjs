// Access to the objects of a worker that was started from `tests/e2e/objects.js`.

/** The module to start it from. */
export const OPENED = { entry: "tests/e2e/objects.js" };

/** A function that calls a method of an object: (binding, name, method, ...parameters) → its result. */
export function asker(edge) {
  return async (binding, name, method, ...parameters) => {
    const body = JSON.stringify({ binding, name, method, parameters });
    const response = await edge.request({ method: "POST", path: "/", headers: { "X-Object": "yes" }, body });
    const { value, error } = response.json();
    if (error !== undefined) throw new Error(error);
    return value;
  };
}
