// The faults in the worker's settings.

import { element } from "./elements.js";

/** A warning for each fault of the status. Only a credential that administers all environments gets them. */
export function settingsWarnings({ settings_faults: faults = [] }) {
  return faults.map((fault) => element("p", { className: "warning" }, fault));
}
