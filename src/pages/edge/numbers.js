// A parser and printer of JSON that keeps the text of numbers: JavaScript's numbers would change 1234567890123456789, 100.0 and
// -0.0.

const TOKENS = /"[^"\\]*(?:\\[^][^"\\]*)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/g;

/** A number with its original text. */
export class JsonNumber extends Number {
  constructor(text) {
    super(text);
    this.text = text;
  }

  toString() {
    return this.text;
  }
}

/** The value of a JSON text, with a JsonNumber for each number. */
export function read(text) {
  // A member name that does not occur in the text.
  const mark = `number ${Math.random()}`;
  const marked = text.replace(TOKENS, (token) => (token.startsWith('"') ? token : `{"${mark}":"${token}"}`));
  return JSON.parse(marked, (_, value) => (value?.[mark] === undefined ? value : new JsonNumber(value[mark])));
}

/** The JSON text of such a value. */
export function write(value) {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${write(member)}`).join(",")}}`;
}
