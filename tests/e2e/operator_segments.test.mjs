// Segments on the operator's page, in a real browser, in front of the embedded origin.

import assert from "node:assert/strict";

import { picture, requireAccessible } from "./browser.mjs";
import { becomes } from "./harness.mjs";
import { pageTest, SERVED } from "./operator_shop.mjs";

pageTest("segments are shown in words, changed, created and deleted", {}, async ({ shop, open }) => {
  const { page } = await open();
  await becomes(() => page.textContent("#segments-count"), "3 segments");
  const item = (name) => page.locator("#segments-list > li", { has: page.getByText(name, { exact: true }) });
  await becomes(() => item("benelux").locator(".why").textContent(), "country is in NL,BE,LU");
  await item("benelux").locator("summary").click();
  const editor = page.getByRole("form", { name: "Segment benelux" });
  await editor.getByLabel("Description").fill("three countries");
  await editor.getByRole("group", { name: "Group 1" }).getByRole("button", { name: "Add a condition" }).click();
  const condition = editor.getByRole("group", { name: "Condition 2" });
  await condition.getByLabel("Operator").selectOption("IS_SET");
  await becomes(() => condition.getByLabel("Value").count(), 1);
  assert.equal(await condition.getByLabel("Value").isVisible(), false);
  await editor.getByRole("button", { name: "Save" }).click();
  // The API's own fault of a nested field.
  await becomes(() => condition.locator(".error:visible:not(:empty)").allTextContents(), ["This field may not be blank."]);
  await requireAccessible(page, "rules");
  await condition.getByLabel("Trait").fill("vat_number");
  await editor.getByRole("group", { name: "Rule 1" }).getByRole("button", { name: "Add a group" }).click();
  const group = editor.getByRole("group", { name: "Group 2" });
  await group.getByLabel("Holds if").selectOption("NONE");
  await group.getByLabel("Operator").selectOption("PERCENTAGE_SPLIT");
  await group.getByLabel("Value").fill("12.5");
  await editor.getByRole("button", { name: "Save" }).click();
  await becomes(() => editor.locator(".result").textContent(), SERVED);
  const words = "(country is in NL,BE,LU or vat_number is set) and not (the first 12.5 % of identities)";
  await becomes(() => item("benelux").locator(".why").textContent(), words);
  const { description, rules } = await shop.segment("benelux");
  assert.equal(description, "three countries");
  assert.deepEqual(
    rules.map(({ type, rules }) => [type, rules.map(({ type, conditions }) => [type, conditions.map(({ property, operator }) => [property, operator])])]),
    [["ALL", [["ANY", [["country", "IN"], ["vat_number", "IS_SET"]]], ["NONE", [[null, "PERCENTAGE_SPLIT"]]]]]],
  );
  await editor.getByRole("button", { name: "Save" }).click();
  await becomes(() => editor.locator(".result").textContent(), "Nothing is changed.");
  await picture(page, "segment");

  await page.getByText("New segment", { exact: true }).click();
  const made = page.getByRole("form", { name: "New segment" });
  await made.getByLabel("Name").fill("adults");
  await made.getByLabel("Trait").fill("age");
  await made.getByLabel("Operator").selectOption("GREATER_THAN_INCLUSIVE");
  await made.getByLabel("Value").fill("18");
  await made.getByRole("button", { name: "Create segment" }).click();
  await becomes(() => page.textContent("#segments-result"), (text) => text.startsWith("adults is created.") && SERVED.test(text), "the segment is served");
  await becomes(() => item("adults").locator(".why").textContent(), "age ≥ 18");

  await item("loyal").locator("summary").click();
  await page.getByRole("form", { name: "Segment loyal" }).getByRole("button", { name: "Delete this segment" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete loyal?" });
  await becomes(() => dialog.textContent(), /1 override of a flag is deleted with it\./);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await page.route("**/associated-features/*", (route) => route.fulfill({ json: { count: 1200, next: null, previous: null, results: [] } }));
  await page.getByRole("form", { name: "Segment loyal" }).getByRole("button", { name: "Delete this segment" }).click();
  await becomes(() => dialog.textContent(), /1,200 overrides of flags are deleted with it\./);
  await dialog.getByRole("button", { name: "Delete" }).click();
  await becomes(() => page.textContent("#segments-result"), (text) => text.startsWith("loyal is deleted.") && SERVED.test(text), "the deletion is served");
  assert.equal(await shop.segment("loyal"), undefined);
});

pageTest("a segment that was changed meanwhile is not overwritten silently", {}, async ({ shop, open }) => {
  const { page } = await open();
  const item = page.locator("#segments-list > li", { has: page.getByText("loyal", { exact: true }) });
  await item.locator("summary").click();
  const editor = page.getByRole("form", { name: "Segment loyal" });
  await editor.getByLabel("Value").fill("500");
  const rule = (value) => [{ type: "ALL", conditions: [], rules: [{ type: "ANY", conditions: [{ operator: "GREATER_THAN", property: "points", value }] }] }];
  await shop.api("PATCH", `/api/v1/projects/${shop.project}/segments/${shop.segments.get("loyal")}/`, { rules: rule("200") });
  await editor.getByRole("button", { name: "Save" }).click();
  const dialog = page.getByRole("dialog", { name: "loyal has changed meanwhile" });
  await becomes(() => dialog.locator("tbody tr").allTextContents(), ["Rulespoints > 100points > 200points > 500"]);
  await dialog.getByRole("button", { name: "Discard my change" }).click();
  await becomes(() => editor.getByLabel("Value").inputValue(), "200");
  await editor.getByLabel("Value").fill("300");
  await editor.getByRole("button", { name: "Save" }).click();
  await becomes(() => editor.locator(".result").textContent(), SERVED);
  assert.equal((await shop.segment("loyal")).rules[0].rules[0].conditions[0].value, "300");
});
