// `make deploy`, against a stand-in account.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import { unstable_readConfig as readConfig } from "wrangler";

import { bindings, documentedBindings, documentedSettings, faultsOfBindings, inspect } from "../../scripts/bundle.mjs";
import { ORIGIN_BINDING } from "../../scripts/embedded_origin.mjs";
import { documentEntry } from "../../scripts/environments.mjs";
import { collect, missing, withSecretsFile } from "../../scripts/secrets.mjs";
import { conflictsOf, faultsOf, SECRETS, VARIABLES } from "../../scripts/settings.mjs";
import { faultsOfFiles, OF_ORIGIN, staticFiles } from "../../scripts/static_files.mjs";
import { startAccount } from "./account.mjs";
import { ROOT } from "./harness.mjs";

const TOKEN = "Stand-in.master-api-key";
const CLASSES = ["AnalyticsObject", "DirectoryObject", "EnvironmentObject", "IdentityObject", "RegistryObject", "StreamObject"];

test("one command deploys the whole worker into an empty account, and a second one only updates it", async (t) => {
  const account = await startAccount();
  t.after(() => account.close());
  const first = await run("scripts/deploy.mjs", account, { ORIGIN_URL: "https://flagsmith.example.com", ORIGIN_API_TOKEN: TOKEN });
  assert.equal(first.status, 0, first.output);
  const [{ metadata, modules }] = account.uploads;
  assert.deepEqual(modules.map((name) => name.split(".").at(-1)).sort(), ["js", "wasm"]);
  const created = metadata.migrations.steps.flatMap(({ new_sqlite_classes }) => new_sqlite_classes);
  assert.deepEqual(created.sort(), CLASSES);
  assert.deepEqual(Array.from(account.namespaces.values(), ({ title }) => title), ["flagsmith-edge-worker-environments"]);
  assert.equal(metadata.assets.jwt, "completed");
  assert.deepEqual(account.schedules, ["*/5 * * * *"]);
  assert.deepEqual(account.secretsOf(), ["ORIGIN_API_TOKEN"]);
  assert.deepEqual([account.setting("ORIGIN_API_TOKEN"), account.setting("ORIGIN_URL")], [TOKEN, "https://flagsmith.example.com"]);
  // The platform's own log lines contain the URL, and so the identifier.
  assert.equal(metadata.observability.logs.invocation_logs, false);
  assert.ok(!first.output.includes(TOKEN), "a secret is shown");
  assert.match(first.output, /npx wrangler secret put <name>: SSE_AUTHENTICATION_TOKEN, WEBHOOK_SECRET, ADMIN_KEY_SHA256$/m);
  assert.match(first.output, /https:\/\/flagsmith-edge-worker\.stand-in\.workers\.dev/);

  // make exports unset variables as empty texts.
  const second = await run("scripts/deploy.mjs", account, { FRESHNESS_SECONDS: "5", ORIGIN_URL: "", WEBHOOK_SECRET: "given later" });
  assert.equal(second.status, 0, second.output);
  assert.equal(account.uploads.length, 2);
  assert.equal(account.namespaces.size, 1);
  const settings = ["ORIGIN_API_TOKEN", "ORIGIN_URL", "FRESHNESS_SECONDS", "WEBHOOK_SECRET"].map((name) => account.setting(name));
  assert.deepEqual(settings, [TOKEN, "https://flagsmith.example.com", "5", "given later"]);
  assert.equal(account.uploads[1].metadata.migrations, undefined);
  assert.doesNotMatch(second.output, /not set/);

  // The origin is read from the deployed worker, and a new value of a secret replaces the stored one.
  account.remove("ORIGIN_API_TOKEN");
  const third = await run("scripts/deploy.mjs", account, { ORIGIN_URL: "", WEBHOOK_SECRET: "given anew" });
  assert.equal(third.status, 0, third.output);
  assert.match(third.output, /are not set.*: ORIGIN_API_TOKEN, SERVER_KEYS$/m);
  assert.equal(account.setting("WEBHOOK_SECRET"), "given anew");

  // Without an origin, documents are published into the created namespace.
  const DOC = "fixtures/environments/production.json";
  const published = await run("scripts/publish.mjs", account, { DOC, REMOTE: "1" });
  assert.equal(published.status, 0, published.output);
  const [{ entries }] = account.namespaces.values();
  const document = readFileSync(join(ROOT, DOC));
  assert.equal(entries.get(documentEntry(JSON.parse(document).api_key)), document.toString("base64"));
});

test("ORIGIN=embedded deploys the origin, binds it, and gives both workers one key", async (t) => {
  const account = await startAccount();
  t.after(() => account.close());
  const ORIGIN = "flagsmith-edge-origin";
  const keyOf = (worker) => account.setting("ORIGIN_API_TOKEN", worker);
  const embedded = (environment = {}) => run("scripts/deploy.mjs", account, { ORIGIN: "embedded", ...environment });
  const first = await embedded();
  assert.equal(first.status, 0, first.output);
  // The origin comes first, since the edge's binding names it.
  assert.deepEqual(account.uploads.map(({ worker }) => worker), [ORIGIN, "flagsmith-edge-worker"]);
  assert.equal(account.serviceOf("ORIGIN"), ORIGIN);
  const [{ metadata }] = account.uploads;
  assert.deepEqual(metadata.migrations.steps.flatMap(({ new_sqlite_classes }) => new_sqlite_classes), ["OriginObject"]);
  assert.equal(metadata.observability.logs.invocation_logs, false);
  const [, key] = /shown only now; keep it in a safe place:\n\n([A-Za-z0-9]{8}\.[A-Za-z0-9]{32})\n/.exec(first.output);
  assert.deepEqual([keyOf(), keyOf(ORIGIN)], [key, key]);
  assert.equal(first.output.split(key).length, 2);

  // A later deployment keeps the key and the binding, also one that does not mention the origin.
  for (const again of [await embedded(), await run("scripts/deploy.mjs", account, { ORIGIN: "" })]) {
    assert.equal(again.status, 0, again.output);
    assert.doesNotMatch(again.output, /API key/);
    assert.deepEqual([keyOf(), keyOf(ORIGIN), account.serviceOf("ORIGIN")], [key, key, ORIGIN]);
  }
  // A lost secret, and a given key.
  account.remove("ORIGIN_API_TOKEN");
  const mended = await embedded();
  assert.equal(mended.status, 0, mended.output);
  assert.match(keyOf(), /^[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}$/);
  assert.ok(keyOf() === keyOf(ORIGIN) && keyOf() !== key && mended.output.includes(keyOf()));
  const given = await embedded({ ORIGIN_API_TOKEN: TOKEN });
  assert.equal(given.status, 0, given.output);
  assert.deepEqual([keyOf(), keyOf(ORIGIN)], [TOKEN, TOKEN]);
  assert.ok(!given.output.includes(TOKEN));

  // A Flagsmith takes its place by a URL, and the embedded one cannot be put beside that.
  const uploads = account.uploads.length;
  const refused = await embedded({ ORIGIN_URL: "https://flagsmith.example.com" });
  assert.equal(refused.status, 1);
  assert.match(refused.output, /ORIGIN_URL is set to https:\/\/flagsmith\.example\.com, so the embedded origin would not be used/);
  assert.equal(account.uploads.length, uploads);
  // The key of the embedded origin never reaches a Flagsmith.
  const keyless = await run("scripts/deploy.mjs", account, { ORIGIN: "", ORIGIN_URL: "https://flagsmith.example.com" });
  assert.equal(keyless.status, 1);
  assert.match(keyless.output, /^ORIGIN_API_TOKEN is still the embedded origin's\. Set it/m);
  assert.equal(account.uploads.length, uploads);
  const moved = await run("scripts/deploy.mjs", account, { ORIGIN: "", ORIGIN_URL: "https://flagsmith.example.com", ORIGIN_API_TOKEN: "Another.key" });
  assert.equal(moved.status, 0, moved.output);
  assert.deepEqual([account.serviceOf("ORIGIN"), keyOf(), keyOf(ORIGIN)], [undefined, "Another.key", TOKEN]);
  assert.equal((await embedded()).status, 1, "the variable is kept");
  // On the way back the Flagsmith's key is replaced at both.
  account.remove("ORIGIN_URL");
  const back = await embedded();
  assert.equal(back.status, 0, back.output);
  assert.ok(keyOf() === keyOf(ORIGIN) && keyOf() !== "Another.key" && back.output.includes(keyOf()));
  const malformed = await embedded({ ORIGIN_API_TOKEN: "nodotatall" });
  assert.equal(malformed.status, 1);
  assert.match(malformed.output, /^ORIGIN_API_TOKEN must have the form prefix\.secret/m);
  assert.ok(!malformed.output.includes("nodotatall"));
  assert.match((await run("scripts/deploy.mjs", account, { ORIGIN: "django" })).output, /^ORIGIN must be embedded or unset/m);
});

test("the first deployment asks for all useful secrets, a later one for missing secrets", () => {
  const names = (there, hasOrigin, hadOrigin) => missing(there, hasOrigin, hadOrigin).map(({ name }) => name);
  const all = SECRETS.map(({ name }) => name);
  assert.deepEqual(names(null, true, false), all);
  assert.deepEqual(names(null, false, false), ["ADMIN_KEY_SHA256"]);
  assert.deepEqual(names([], true, true), ["ORIGIN_API_TOKEN", "SERVER_KEYS"]);
  assert.deepEqual(names(["SERVER_KEYS"], true, true), []);
  assert.deepEqual(names([], false, false), []);
  // The first deployment with an origin.
  assert.deepEqual(names(["WEBHOOK_SECRET"], true, false), ["ORIGIN_API_TOKEN", "SERVER_KEYS", "SSE_AUTHENTICATION_TOKEN"]);
});

test("each secret is asked for once, and typed text is not shown", async () => {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode() {} });
  const output = new PassThrough();
  let shown = "";
  output.setEncoding("utf8").on("data", (text) => {
    shown += text;
    const asked = /^([A-Z0-9_]+): .*: $/.exec(text)?.[1];
    if (asked !== undefined) setImmediate(() => input.write(`${answers[asked].shift()}\r`));
  });
  const answers = {
    ORIGIN_API_TOKEN: [TOKEN],
    SSE_AUTHENTICATION_TOKEN: [""],
    WEBHOOK_SECRET: ["typed secret"],
    // The prompt is repeated after an invalid answer.
    ADMIN_KEY_SHA256: ["two words", "schlüssel", "typed-key"],
  };
  const given = await collect(missing(null, true, false), { environment: {}, input, output });
  const hash = createHash("sha256").update("typed-key").digest("hex");
  assert.deepEqual([...given], [["ORIGIN_API_TOKEN", TOKEN], ["WEBHOOK_SECRET", "typed secret"], ["ADMIN_KEY_SHA256", hash]]);
  for (const typed of [TOKEN, "typed secret", "two words", "schlüssel", "typed-key", hash]) assert.ok(!shown.includes(typed), shown);
  assert.equal(shown.match(/ORIGIN_API_TOKEN/g).length, 1);
  assert.equal(shown.match(/^The admin key must be one word /gm).length, 2);
});

test("at most one of the two publishing credentials is asked for, and both are accepted", async () => {
  const input = { isTTY: true };
  const credentials = SECRETS.filter(({ instead }) => instead !== undefined);
  for (const { name, instead } of credentials) {
    assert.deepEqual([...(await collect(credentials, { environment: { [name]: "given" }, input }))], [[name, "given"]]);
    const both = { [name]: "given", [instead]: "given too" };
    assert.deepEqual(Object.fromEntries(await collect(credentials, { environment: both, input })), both);
  }
});

test("without a terminal no question is asked, and no file is left", async () => {
  const given = await collect(missing(null, true, false), { environment: { WEBHOOK_SECRET: "given" }, input: { isTTY: false } });
  assert.deepEqual([...given], [["WEBHOOK_SECRET", "given"]]);
  const file = withSecretsFile(given, (file) => {
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { WEBHOOK_SECRET: "given" });
    return file;
  });
  assert.throws(() => readFileSync(file), /ENOENT/);
});

test("invalid settings are refused before any question or request, without their values", async (t) => {
  const account = await startAccount();
  t.after(() => account.close());
  const wrong = {
    ORIGIN_URL: ["flagsmith.example.com", "https://flagsmith.example.com/?a=b", "https://a b", "http://localhost:8000", "http://127.0.0.1:8000/", "http://[::1]", "http://flags:99999", "http://a..b"],
    EVENTS_URL: ["events.example.com", "http://localhost:8000"],
    ORIGIN_API_TOKEN: ["Api-Key a.b", "ser.key", "schlüssel"],
    SERVER_KEYS: ["a.b", "ser.a ser.b", "ser.a, b"],
    SSE_AUTHENTICATION_TOKEN: ["to\tken"],
    ADMIN_KEY_SHA256: ["a key", createHash("sha256").update("key").digest("base64")],
    FRESHNESS_SECONDS: ["2s", "-1", "1.5", " 2", "9999999"],
    REFRESH_SECONDS: ["1m", "0"],
    FLAG_ENGINE: ["12"],
    LOG_ROWS: ["yes"],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) assert.equal(faultsOf([[name, value]]).length, 1, `${name}=${value}`);
  }
  const right = {
    ORIGIN_URL: ["https://flagsmith.example.com", "http://10.0.0.1:8000/flagsmith/", "HTTP://[2001:db8::1]/ "],
    EVENTS_URL: ["https://events.example.com"],
    ORIGIN_API_TOKEN: [TOKEN],
    SERVER_KEYS: ["ser.a, ser.b,"],
    WEBHOOK_SECRET: ["any thing, ü"],
    ADMIN_KEY_SHA256: [createHash("sha256").update("key").digest("hex")],
    FRESHNESS_SECONDS: ["0", ""],
    LOG_ROWS: ["true"],
    PATH: ["of no concern"],
  };
  for (const [name, values] of Object.entries(right)) {
    for (const value of values) assert.deepEqual(faultsOf([[name, value]]), [], `${name}=${value}`);
  }
  const together = conflictsOf({ ORIGIN_URL: "https://flagsmith.example.com", ORIGIN_API_TOKEN: TOKEN, SERVER_KEYS: "ser.a" });
  assert.deepEqual(together, ["SERVER_KEYS is ignored because ORIGIN_API_TOKEN is set."]);
  const alone = await run("scripts/deploy.mjs", account, { ORIGIN_API_TOKEN: TOKEN });
  assert.equal(alone.status, 1, alone.output);
  assert.match(alone.output, /^ORIGIN_API_TOKEN has no effect without ORIGIN_URL\.$/m);
  assert.equal(account.uploads.length, 0);
  const asked = account.requests;
  const { status, output } = await run("scripts/deploy.mjs", account, { ADMIN_KEY_SHA256: "a key", ORIGIN_URL: "http://localhost:8000" });
  assert.equal(status, 1);
  assert.match(output, /^ADMIN_KEY_SHA256 must be the key's SHA-256/m);
  assert.match(output, /^ORIGIN_URL is on this machine/m);
  assert.doesNotMatch(output, /a key/);
  assert.deepEqual([account.uploads.length, account.requests], [0, asked]);
});

test("the documentation lists exactly the settings that the worker reads", () => {
  const config = readFileSync(join(ROOT, "src/settings.rs"), "utf8");
  const documented = (kind) => documentedSettings().filter((setting) => setting.kind === kind).map(({ name }) => name).sort();
  assert.deepEqual(documented("variable"), VARIABLES);
  assert.deepEqual(documented("secret"), SECRETS.map(({ name }) => name).sort());
  const read = Array.from(config.matchAll(/(?:text|secret|number|word)\(\s*"([A-Z0-9_]+)"/g), ([, name]) => name);
  assert.deepEqual([...new Set(read)].sort(), [...VARIABLES, ...SECRETS.map(({ name }) => name)].sort());
  // wrangler.toml has all bindings; a deployment may leave out optional ones.
  const bound = bindings(readConfig({ config: join(ROOT, "wrangler.toml") }));
  assert.deepEqual(documentedBindings().map(({ name }) => name).sort(), [...bound, ORIGIN_BINDING].sort());
});

test("files that must not be uploaded are found", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "bundle-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "entry.js"), `throw new Error("${ROOT}src"); export { IdentityObject };`);
  writeFileSync(join(folder, "other.js"), "");
  const settings = readConfig({ config: join(ROOT, "wrangler.toml") });
  settings.migrations.pop();
  settings.kv_namespaces = [];
  settings.ratelimits = [];
  settings.analytics_engine_datasets.push({ binding: "MORE" });
  const faults = [...inspect(folder, { ...settings, upload_source_maps: true }).faults, ...faultsOfBindings(settings)];
  const expected = [
    /^modules: there must be one of JavaScript and one of WebAssembly, but there are: entry.js, other.js$/,
    /^source maps would be uploaded: remove upload_source_maps from wrangler.toml$/,
    /^entry.js contains a path of this machine/,
    /^StreamObject has no migration in wrangler.toml$/,
    /^RegistryObject is not exported by the worker$/,
    /^docs\/configuration.md does not name the binding MORE$/,
    /^wrangler.toml lacks the binding ENVIRONMENTS of docs\/configuration.md$/,
  ];
  for (const fault of expected) assert.ok(faults.some((found) => fault.test(found)), `${fault} is not among:\n${faults.join("\n")}`);
  assert.ok(!faults.some((fault) => /IdentityObject|ADMIN_RATE_LIMIT/.test(fault)));
});

test("the upload contains exactly the static files that are needed", (t) => {
  const files = staticFiles(join(ROOT, "build/assets"));
  assert.equal(files.size, 48);
  assert.deepEqual(faultsOfFiles(files), []);
  for (const path of files.keys()) {
    const others = new Map([...files].filter(([other]) => other !== path));
    assert.ok(faultsOfFiles(others).includes(`${path} is needed, and is missing from the static files`), path);
  }
  const ofOrigin = staticFiles(join(ROOT, "build/origin/assets"));
  assert.deepEqual([[...ofOrigin.keys()], faultsOfFiles(ofOrigin, OF_ORIGIN)], [OF_ORIGIN.roots, []]);
  const settings = readConfig({ config: join(ROOT, "wrangler.toml") });
  const folder = mkdtempSync(join(tmpdir(), "assets-"));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(ROOT, "build/assets"), folder, { recursive: true });
  mkdirSync(join(folder, ".wrangler/state"), { recursive: true });
  writeFileSync(join(folder, ".wrangler/state/kv.sqlite"), "");
  writeFileSync(join(folder, ".dev.vars"), "");
  writeFileSync(join(folder, "edge/calls.js.map"), "{}");
  writeFileSync(join(folder, "edge/calls.js"), `// ${ROOT}src/pages\n//# sourceMappingURL=calls.js.map`);
  writeFileSync(join(folder, "_headers"), "");
  settings.assets.directory = folder;
  const found = inspect(folder, settings).faults.filter((fault) => !/modules|binding|exported/.test(fault));
  assert.deepEqual(found.map((fault) => fault.replace(/(machine): .*/, "$1")).sort(), [
    "/.dev.vars is among the static files, but no page needs it",
    "/.wrangler/state/kv.sqlite is among the static files, but no page needs it",
    "/_headers would change how the static files are served",
    "/edge/calls.js contains a path of this machine",
    "/edge/calls.js names a source map",
    "/edge/calls.js.map is among the static files, but no page needs it",
  ]);
});

async function run(script, account, environment) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...account.environment, ...environment };
  const child = spawn(process.execPath, [script], { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const [status] = await once(child, "close");
  return { status, output };
}
