// `make cost`: prints the README's tables of what is billed, counted anew.

import { count } from "../tests/e2e/counts.mjs";
import { costTable, countTable } from "./bill.mjs";

const counts = await count();
console.log(`${countTable(counts)}\n\n${costTable(counts)}`);
