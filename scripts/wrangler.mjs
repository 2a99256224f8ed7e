// The call of wrangler: direct, without reports about itself, and without network access.

export const WRANGLER = "node_modules/wrangler/bin/wrangler.js";

export const WRANGLER_ENVIRONMENT = {
  ...process.env,
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  // The banner checks for updates.
  WRANGLER_HIDE_BANNER: "true",
  // Request.cf is not used; without this setting the local server fetches a sample from a remote one at each start.
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
};
// wrangler runs its own make for the build, which must not join the make that started this script.
delete WRANGLER_ENVIRONMENT.MAKEFLAGS;
delete WRANGLER_ENVIRONMENT.MAKELEVEL;
