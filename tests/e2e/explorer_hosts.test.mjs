// The API explorer sends requests to this host only, even if a description names others.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { executeOperation, startBrowser, visit } from "./browser.mjs";
import { becomes, startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";

const browser = await startBrowser();
after(() => browser.close());

// The places of a description that can name a host.
const OTHER_HOST = "https://elsewhere.example.com";
const answers = { 200: { description: "", content: { "application/json": { schema: { type: "array", items: { $ref: "#/components/schemas/Project" } } } } } };
const operation = (operationId, more = {}) => ({ tags: ["all"], operationId, responses: answers, ...more });
const OPENAPI = {
  openapi: "3.0.3",
  info: { title: "Flagsmith API", version: "v1", description: `![logo](${OTHER_HOST}/logo.png) !![logo](${OTHER_HOST}/2.png) <img src="${OTHER_HOST}/3.png"> <IMAGE\nsrc="${OTHER_HOST}/4.png"> <video poster="${OTHER_HOST}/5.png" src="${OTHER_HOST}/6"></video> <table background="${OTHER_HOST}/7.png"></table> <svg><image href="${OTHER_HOST}/8.png"/></svg>` },
  servers: [{ url: `${OTHER_HOST}/api/v1` }, { url: `${OTHER_HOST}/api/v2` }],
  security: [{ SignIn: [] }],
  paths: {
    "/root/": { get: operation("of_the_root") },
    "/path/": { servers: [{ url: `${OTHER_HOST}/api/v1` }], get: operation("of_a_path") },
    "/operation/": {
      servers: [{ url: `${OTHER_HOST}/api/v3` }],
      post: operation("of_an_operation", {
        servers: [{ url: "//{region}.example.com:{port}/api/v1/", variables: { region: { default: "elsewhere", enum: ["elsewhere", "eu"] }, port: { default: "8443" } } }],
        callbacks: { done: { "{$request.query.url}": { servers: [{ url: OTHER_HOST }], post: operation("of_a_callback", { servers: [{ url: OTHER_HOST }] }) } } },
        responses: { 200: { description: "", links: { next: { operationRef: `${OTHER_HOST}/openapi.json#/paths/~1x/get`, server: { url: OTHER_HOST } } } } },
      }),
    },
    "/referred/": { $ref: "#/x-paths/referred" },
    "/remote/": { $ref: `${OTHER_HOST}/paths.json#/remote` },
    "@elsewhere.example.com/": { get: operation("of_a_host") },
    "/parameters/": {
      get: operation("of_parameters", {
        parameters: [{ $ref: `${OTHER_HOST}/parameters.json#/page` }],
        responses: { 200: { description: "", content: { "application/json": { schema: { $ref: `${OTHER_HOST}/schemas.json#/Project` } } } } },
      }),
    },
  },
  // A place that OpenAPI does not define.
  "x-paths": { referred: { get: operation("of_a_reference", { servers: [{ url: `${OTHER_HOST}/api/v1` }] }) } },
  components: {
    schemas: { Project: { type: "object", properties: { servers: { type: "array", items: { $ref: `${OTHER_HOST}/schemas.json#/Server` } } } } },
    securitySchemes: {
      SignIn: { type: "oauth2", flows: { password: { tokenUrl: `${OTHER_HOST}/api/v1/auth/token/`, scopes: { all: "" } } } },
      Elsewhere: { type: "openIdConnect", openIdConnectUrl: `${OTHER_HOST}/.well-known/openid-configuration` },
    },
  },
};
const SWAGGER = {
  swagger: "2.0",
  info: { title: "Flagsmith API", version: "v1" },
  host: "elsewhere.example.com",
  schemes: ["https"],
  basePath: "/api/v1",
  paths: { "/root/": { get: operation("of_the_root", { schemes: ["https"], responses: { 200: { description: "", schema: { $ref: `${OTHER_HOST}/schemas.json#/Project` } } } }) } },
  securityDefinitions: { SignIn: { type: "oauth2", flow: "password", tokenUrl: `${OTHER_HOST}/api/v1/auth/token/`, scopes: { all: "" } } },
};

for (const [form, description, operations] of [
  ["OpenAPI 3.0", OPENAPI, { of_the_root: "root", of_a_path: "path", of_an_operation: "operation", of_a_reference: "referred", of_parameters: "parameters" }],
  ["OpenAPI 3.1", { ...OPENAPI, openapi: "3.1.0" }, { of_the_root: "root", of_a_path: "path", of_an_operation: "operation", of_a_reference: "referred", of_parameters: "parameters" }],
  ["Swagger 2.0", SWAGGER, { of_the_root: "root" }],
]) {
  test(`no request of an origin's description names another host (${form})`, async (t) => {
    const origin = await startOrigin({ anything: true });
    t.after(() => origin.close());
    origin.on("GET", "/api/v1/swagger.json", { body: description });
    for (const method of ["GET", "POST"]) origin.on(method, /^\/api\/v1\/[a-z]+\/$/, ({ target }) => ({ body: [target] }));
    origin.on("POST", "/api/v1/auth/token/", { body: { access_token: "stand-in", token_type: "bearer" } });
    const edge = await startEdge({ origin });
    t.after(() => edge.close());
    // The test does not block requests to other hosts; only the page prevents them.
    const { page, faults } = await visit(browser, `${edge.address}/api/v1/docs/`, { bypassCSP: true });
    await page.getByLabel("API", { exact: true }).selectOption({ index: 1 });
    await page.getByRole("heading", { name: /^Flagsmith API/ }).waitFor();

    await page.getByRole("button", { name: "Authorize" }).first().click();
    await page.locator("#oauth_username").fill("ada");
    await page.locator("#oauth_password").fill("stand-in-password");
    await page.locator(".auth-btn-wrapper button.authorize").first().click();
    await becomes(() => origin.requestsFor("POST", "/api/v1/auth/token/").length, 1);
    await page.locator(".close-modal").click();

    for (const [operation, path] of Object.entries(operations)) {
      const { status, body } = await executeOperation(page, operation);
      assert.deepEqual([status, body], ["200", [`/api/v1/${path}/`]], operation);
    }
    // The page also shows callbacks and links of an operation.
    for (const tab of await page.locator("button.tab-item", { hasText: "Callbacks" }).all()) await tab.click();
    assert.deepEqual(faults.filter((fault) => fault.startsWith("request to another host")), []);
  });
}
