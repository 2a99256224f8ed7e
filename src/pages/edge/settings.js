// What is wrong with the worker's settings.

import { element } from "./elements.js";

/** A warning for each fault of the status. Only a credential that administers all environments is told of them. */
export function settingsWarnings({ settings_faults: faults = [] }) {
  return faults.map((fault) => element("p", { className: "warning" }, fault));
}
