// The progress of a command on the terminal.

/** Shows the progress out of `total`; without a terminal it prints a line for each tenth. */
export function progress(total) {
  const began = Date.now();
  let shown = -1;
  return (done) => {
    const fraction = total === 0 ? 1 : Math.min(1, done / total);
    const tenth = Math.floor(fraction * 10);
    const bar = "#".repeat(Math.floor(fraction * 30)).padEnd(30, ".");
    const line = `[${bar}] ${Math.floor(fraction * 100)} %, ${((Date.now() - began) / 1000).toFixed(0)} s`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line}${fraction === 1 ? "\n" : ""}`);
    else if (tenth !== shown) console.error(line);
    shown = tenth;
  };
}
