// Keys that are kept in files of a state folder, for local use. Only their owner can read the files.

import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** The key in a file. The first call creates it with `make`. `name` is for the text of a fault. */
export function keyOf(file, name, form, make) {
  mkdirSync(dirname(file), { recursive: true });
  const key = create(file, make()) ?? readFileSync(file, "utf8").trim();
  if (!form.test(key)) throw new Error(`${file} does not contain a valid ${name}. Remove it; the next start creates a new one.`);
  return key;
}

/** The new key, or null if the file exists already. */
function create(file, key) {
  try {
    writeFileSync(file, `${key}\n`, { flag: "wx", mode: 0o600 });
    return key;
  } catch (error) {
    if (error.code === "EEXIST") return null;
    throw error;
  }
}

/** A random text of letters and digits, each equally likely. */
export function randomText(length) {
  let text = "";
  while (text.length < length) {
    // Bytes beyond the last multiple are left out, since they would make some letters more likely.
    const bytes = randomBytes(length).filter((byte) => byte < LETTERS.length * 4);
    text += Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length]).join("");
  }
  return text.slice(0, length);
}
