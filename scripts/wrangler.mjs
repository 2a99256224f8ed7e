// How wrangler is called: directly, silent about itself, and without a word to the network.

export const WRANGLER = "node_modules/wrangler/bin/wrangler.js";

export const WRANGLER_ENVIRONMENT = {
  ...process.env,
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  // The banner is what looks for updates.
  WRANGLER_HIDE_BANNER: "true",
  // Request.cf is not read; without this the local server asks a remote one for a sample at each start.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};
// The build that wrangler runs is a make of its own, not a part of the one that started this.
delete WRANGLER_ENVIRONMENT.MAKEFLAGS;
delete WRANGLER_ENVIRONMENT.MAKELEVEL;
