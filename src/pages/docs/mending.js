// Corrections of Swagger UI for visitors without sight or mouse: names of fields, and a way to scroll.

/** Corrects the content of `place`, now and later. */
export function mend(place) {
  new MutationObserver(() => mendAll(place)).observe(place, { childList: true, subtree: true });
}

function mendAll(place) {
  for (const field of place.querySelectorAll(":is(select, textarea):not([aria-label])")) field.ariaLabel = nameOf(field);
  // Keyboard users can scroll only elements that get the focus.
  for (const text of place.querySelectorAll("pre.microlight:not([tabindex])")) text.tabIndex = 0;
  // With the role of a region, a screen reader would not read the rows.
  for (const table of place.querySelectorAll("table[role=region]")) table.setAttribute("role", "table");
}

function nameOf(field) {
  const parameter = field.closest("[data-param-name]");
  if (parameter !== null) return parameter.dataset.paramName;
  return field.localName === "textarea" ? "Request body" : "Example";
}
