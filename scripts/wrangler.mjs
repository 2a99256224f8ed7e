// The call of wrangler: direct, without reports about itself, and without network access.

export const WRANGLER = "node_modules/wrangler/bin/wrangler.js";

export const WRANGLER_ENVIRONMENT = {
  ...process.env,
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  // The banner looks for updates.
  WRANGLER_HIDE_BANNER: "true",
  // Request.cf is not used; without this setting the local server fetches a sample from a remote one at each start.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};
// The build that wrangler runs is a make of its own, not a part of the one that started this.
delete WRANGLER_ENVIRONMENT.MAKEFLAGS;
delete WRANGLER_ENVIRONMENT.MAKELEVEL;
