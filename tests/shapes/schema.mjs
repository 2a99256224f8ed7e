// JSON Schemas of recorded values: the members of objects, and the types of their values.

const PRIMITIVES = new Set(["boolean", "integer", "null", "number", "string"]);

/** The narrowest schema of these values. It has only members of these values, and requires the members that all of them have. */
export function schemaOf(values) {
  const objects = values.filter((value) => typeOf(value) === "object");
  const arrays = values.filter(Array.isArray);
  return {
    type: types(values.map(typeOf)),
    ...(objects.length === 0 ? {} : membersOf(objects)),
    ...(arrays.length === 0 ? {} : itemsOf(arrays.flat())),
  };
}

/**
 * A schema of recorded values with the primitive types that a description allows beside the recorded ones. Members come
 * from recordings alone. `resolve` gives the schema that a `$ref` names.
 */
export function widened(schema, described, resolve) {
  const allowed = alternatives(described, resolve);
  const more = allowed.flatMap(({ type = [] }) => type).filter((name) => PRIMITIVES.has(name));
  const member = (name) => ({ anyOf: allowed.flatMap(({ properties }) => properties?.[name] ?? []) });
  const item = { anyOf: allowed.flatMap(({ items }) => items ?? []) };
  const { type, properties, items, maxItems, ...others } = schema;
  const wide = { type: types([type, more].flat()), ...others };
  if (properties !== undefined) {
    wide.properties = Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, widened(each, member(name), resolve)]));
  }
  if (items !== undefined) wide.items = widened(items, item, resolve);
  else if (maxItems !== undefined) Object.assign(wide, describedItems(item, resolve));
  return wide;
}

/** A schema in which members of these names may have these types, too: name → types. Members that are no values stay. */
export function retyped(schema, more) {
  const { properties, items } = schema;
  const retypedMember = ([name, each]) => [name, isValue(each) && name in more ? { type: types([each.type, more[name]].flat()) } : retyped(each, more)];
  return {
    ...schema,
    ...(properties === undefined ? {} : { properties: Object.fromEntries(Object.entries(properties).map(retypedMember)) }),
    ...(items === undefined ? {} : { items: retyped(items, more) }),
  };
}

function isValue({ type }) {
  return [type].flat().every((name) => PRIMITIVES.has(name));
}

/** The items of arrays that were empty in every recording: those that are described, as far as they are primitive. */
function describedItems(item, resolve) {
  const primitive = alternatives(item, resolve).flatMap(({ type = [] }) => type).filter((name) => PRIMITIVES.has(name));
  return primitive.length === 0 ? { maxItems: 0 } : { items: { type: types(primitive) } };
}

/** The alternatives or parts of a schema, with references on their first level resolved. */
function alternatives(schema, resolve) {
  if (schema.$ref !== undefined) return alternatives(resolve(schema.$ref), resolve);
  const nested = [schema.allOf, schema.anyOf, schema.oneOf].flatMap((list) => list ?? []);
  return [schema, ...nested.flatMap((each) => alternatives(each, resolve))];
}

function membersOf(objects) {
  const names = [...new Set(objects.flatMap(Object.keys))].sort();
  const valuesOf = (name) => objects.filter((object) => Object.hasOwn(object, name)).map((object) => object[name]);
  return {
    properties: Object.fromEntries(names.map((name) => [name, schemaOf(valuesOf(name))])),
    required: names.filter((name) => valuesOf(name).length === objects.length),
    additionalProperties: false,
  };
}

function itemsOf(items) {
  return items.length === 0 ? { maxItems: 0 } : { items: schemaOf(items) };
}

function typeOf(value) {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

/** Types in the order of their names, each once; every integer is a number. */
function types(names) {
  const all = [...new Set(names)].sort();
  const least = all.includes("number") ? all.filter((name) => name !== "integer") : all;
  return least.length === 1 ? least[0] : least;
}
