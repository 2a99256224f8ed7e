// Facts about Flagsmith's Admin API. The commands in scripts/project import this module, too.

/** The largest page that Flagsmith serves. Some lists have pages of their own size. */
export const MAX_PAGE_SIZE = 999;
/** The range of an integer value. */
export const [MIN_INTEGER, MAX_INTEGER] = [-2_147_483_648, 2_147_483_647];
/** Operators that read no value. */
export const OPERATORS_WITHOUT_VALUE = ["IS_SET", "IS_NOT_SET"];

/** The column of a value by its type. */
export const COLUMNS = { unicode: "string_value", int: "integer_value", bool: "boolean_value" };
const TYPES = { string: "unicode", number: "int", boolean: "bool" };

/** The columns of a value, one for each type. */
export function columnsOf(value) {
  const type = TYPES[typeof value] ?? "unicode";
  return { type, string_value: null, integer_value: null, boolean_value: null, [COLUMNS[type]]: value };
}

/** The value of a state or an option: text, number, boolean or null. It is stored as columns, or as itself. */
export function scalarOf(value) {
  return value !== null && typeof value === "object" ? (value[COLUMNS[value.type]] ?? null) : value;
}
