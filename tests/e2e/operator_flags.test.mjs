// Flags on the operator's page, in a real browser, in front of the embedded origin.

import assert from "node:assert/strict";
import { test } from "node:test";

import { picture, requireAccessible, requireNoSidewaysScrolling, startBrowser, visit } from "./browser.mjs";
import { API_KEY, embeddedOrigin } from "./embedded_origin.mjs";
import { ADMIN_KEY, ADMIN_KEY_SHA256 } from "./flagsmith.mjs";
import { becomes, startEdge } from "./harness.mjs";
import { flag, openFlag, pageTest, SERVED, signIn, WINDOW } from "./operator_shop.mjs";

const HTML = `<img src=x onerror="alert(1)"><b>bold</b>"'&amp;`;
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

pageTest("a flag is switched, and the page shows when the edge serves it", {}, async ({ shop, open }) => {
  const { page } = await open();
  await becomes(() => page.textContent("#flags-count"), "4 flags");
  const toggle = flag(page, "checkout").getByRole("switch", { name: "checkout", exact: true });
  assert.equal(await toggle.getAttribute("aria-checked"), "false");
  await toggle.click();
  await becomes(() => toggle.getAttribute("aria-checked"), "true");
  await becomes(() => flag(page, "checkout").locator(":scope > .result").textContent(), SERVED);
  assert.equal((await shop.served("checkout")).enabled, true);
  assert.equal((await shop.state("checkout")).enabled, true);
  await requireAccessible(page, "switched");
});

pageTest("a value of each type is written and served", {}, async ({ shop, open }) => {
  const { page } = await open();
  await openFlag(page, "checkout");
  const editor = page.getByRole("form", { name: "Default of checkout" });
  for (const [type, entered, value] of [
    ["number", "-42", -42],
    ["json", '{"big": 12345678901234567890, "list": [1.0]}', '{"big": 12345678901234567890, "list": [1.0]}'],
    ["boolean", "true", true],
    ["text", "42", "42"],
    ["text", "two\nlines", "two\nlines"],
    ["none", null, null],
  ]) {
    await editor.getByLabel("Type").selectOption(type);
    const control = editor.getByLabel("Value", { exact: true });
    if (type === "boolean") await control.selectOption(entered);
    else if (entered !== null) await control.fill(entered);
    await editor.getByRole("button", { name: "Save" }).click();
    await becomes(() => editor.locator(".result").textContent(), SERVED);
    assert.deepEqual((await shop.served("checkout")).feature_state_value, value);
    assert.equal((await shop.state("checkout")).enabled, false, "the switch stays");
  }
  await editor.getByRole("button", { name: "Save" }).click();
  await becomes(() => editor.locator(".result").textContent(), "Nothing is changed.");
});

pageTest("faults of a value are shown next to it, before and after sending", {}, async ({ shop, open }) => {
  const { page } = await open();
  await openFlag(page, "checkout");
  const editor = page.getByRole("form", { name: "Default of checkout" });
  const save = editor.getByRole("button", { name: "Save" });
  const control = editor.getByLabel("Value", { exact: true });
  for (const [type, entered, fault] of [
    ["number", "1.5", /^Enter a whole number/],
    ["number", "2147483648", /Choose the type Text for others\.$/],
    ["json", '{"a": }', /^This is not JSON: /],
    ["text", "x".repeat(20_001), /at most 20,000 characters; this one has 20,001\.$/],
  ]) {
    await editor.getByLabel("Type").selectOption(type);
    await control.fill(entered);
    await save.click();
    await becomes(() => editor.locator(".error:visible:not(:empty)").allTextContents(), (texts) => texts.length === 1 && fault.test(texts[0]), type);
    assert.equal(await control.getAttribute("aria-invalid"), "true");
    assert.equal(await control.evaluate((control) => control === document.activeElement), true, "the faulty field has the focus");
  }
  await requireAccessible(page, "a fault");
  await picture(page, "value-fault");
  // The API's own refusal: the flag's state is deleted before it is written.
  await control.fill("fine");
  await page.route("**/api/v1/features/featurestates/*/", (route) =>
    route.request().method() === "PUT"
      ? route.fulfill({ status: 400, json: { string_value: ["Ensure this field has no more than 3 characters."] } })
      : route.continue(),
  );
  await save.click();
  await becomes(() => editor.locator(".error:visible:not(:empty)").allTextContents(), ["Ensure this field has no more than 3 characters."]);
  assert.equal((await shop.state("checkout")).feature_state_value, null);
  await page.unroute("**/api/v1/features/featurestates/*/");
  await shop.api("DELETE", `/api/v1/projects/${shop.project}/features/${shop.features.get("checkout")}/`);
  await save.click();
  await becomes(() => editor.locator(".error:visible:not(:empty)").allTextContents(), ["No FeatureState matches the given query."]);
});

pageTest("weights are written together with the control value", {}, async ({ shop, open }) => {
  const { page } = await open();
  await openFlag(page, "banner");
  const editor = page.getByRole("form", { name: "Default of banner" });
  const weight = (name) => editor.getByLabel(`Weight of ${name}, in %`);
  assert.deepEqual([await weight("bold").inputValue(), await weight("calm").inputValue()], ["30", "20"]);
  await weight("bold").fill("85.5");
  await becomes(() => editor.locator("output").textContent(), "The weights are 5.5 % too high in all.");
  await editor.getByRole("button", { name: "Save" }).click();
  await becomes(() => editor.locator(".error:visible:not(:empty)").allTextContents(), ["The weights must not sum to more than 100 %."]);
  await weight("calm").fill("0");
  await becomes(() => editor.locator("output").textContent(), "The control value gets the other 14.5 %.");
  await editor.getByLabel("Control value").fill("plain");
  await editor.getByRole("button", { name: "Save" }).click();
  await becomes(() => editor.locator(".result").textContent(), SERVED);
  const state = await shop.state("banner");
  assert.equal(state.feature_state_value, "plain");
  assert.deepEqual(state.multivariate_feature_state_values.map(({ percentage_allocation: percentage }) => percentage), [85.5, 0]);
  // A new variant has no weight, until one is set.
  await page.getByText("Add a variant").first().click();
  const added = page.getByRole("form", { name: "New variant of banner" });
  await added.getByLabel("Type").selectOption("number");
  await added.getByLabel("Value", { exact: true }).fill("7");
  await added.getByRole("button", { name: "Add variant" }).click();
  const rowResult = flag(page, "banner").locator(":scope > .result");
  await becomes(() => rowResult.textContent(), (text) => text.startsWith("The variant 7 is added.") && SERVED.test(text), "the variant is served");
  await weight("7").fill("14.5");
  await becomes(() => editor.locator("output").textContent(), "The control value gets the other 0 %.");
  await editor.getByRole("button", { name: "Save" }).click();
  await becomes(() => editor.locator(".result").textContent(), SERVED);
  assert.deepEqual((await shop.state("banner")).multivariate_feature_state_values.map(({ percentage_allocation: percentage }) => percentage), [85.5, 0, 14.5]);
  await page.getByRole("button", { name: "Delete the variant calm" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await becomes(() => editor.getByLabel(/^Weight of/).count(), 2);
  await becomes(() => rowResult.textContent(), (text) => text.startsWith("The variant calm is deleted.") && SERVED.test(text), "the deletion is served");
  assert.deepEqual((await shop.options("banner")).map(({ string_value, integer_value }) => string_value ?? integer_value), ["bold", 7]);
  // A variant that was changed meanwhile is not deleted without a question.
  const [bold] = await shop.options("banner");
  await shop.api("PUT", `/api/v1/projects/${shop.project}/features/${bold.feature}/mv-options/${bold.id}/`, { ...bold, string_value: "brave" });
  await page.getByRole("button", { name: "Delete the variant bold" }).click();
  await page.getByRole("dialog", { name: "Delete bold?" }).getByRole("button", { name: "Delete" }).click();
  const conflict = page.getByRole("dialog", { name: "The variant bold has changed meanwhile" });
  await becomes(() => conflict.locator("tbody tr").allTextContents(), ["Valueboldbrave"]);
  await conflict.getByRole("button", { name: "Show the current state" }).click();
  await page.getByRole("button", { name: "Delete the variant brave" }).waitFor();
  assert.equal((await shop.options("banner")).length, 2);
});

pageTest("an override has weights of its own", {}, async ({ shop, open }) => {
  await shop.override("banner", "loyal", 1);
  const { page } = await open();
  await openFlag(page, "banner");
  await flag(page, "banner").locator(".overrides summary").click();
  const editor = page.getByRole("form", { name: "banner for loyal" });
  const allocations = async () => {
    const [{ state }] = await shop.overrides("banner");
    return state.multivariate_feature_state_values.map(({ percentage_allocation: percentage }) => percentage).filter((percentage) => percentage > 0);
  };
  // The first save creates the allocations, the second one changes them.
  for (const percentage of [40, 60.5]) {
    await editor.getByLabel("Weight of bold, in %").fill(String(percentage));
    await editor.getByRole("button", { name: "Save" }).click();
    // An identity without traits is not in the segment, so its explanation has no weights of the override.
    await becomes(() => editor.locator(".result").textContent(), /does not show this part, so the time is not known\.$/);
    assert.deepEqual(await allocations(), [percentage]);
    await editor.getByLabel("Type").selectOption("text");
    await editor.getByLabel("Control value").fill(`with ${percentage} %`);
    await editor.getByRole("button", { name: "Save" }).click();
    await becomes(() => editor.locator(".result").textContent(), SERVED);
  }
  // A variant is not deleted while the default has changes that are not saved.
  await page.getByRole("form", { name: "Default of banner" }).getByLabel("Control value").fill("unsaved");
  await page.getByRole("button", { name: "Delete the variant calm" }).click();
  await becomes(() => page.locator(".variants").locator("xpath=..").locator(":scope > .general").textContent(), /^The default has unsaved changes\./);
  assert.equal((await shop.options("banner")).length, 2);
});

pageTest("segment overrides are added, switched, changed, ordered and deleted", {}, async ({ shop, open }) => {
  const { page } = await open();
  await openFlag(page, "shipping");
  const overrides = flag(page, "shipping").locator(".overrides > li");
  const names = () => overrides.locator(".name").allTextContents();
  const result = flag(page, "shipping").locator(".overrides ~ .result");
  const inOrder = async () => (await shop.overrides("shipping")).map(({ name }) => name);
  await becomes(names, ["loyal", "benelux"]);
  await requireAccessible(page, "overrides");

  await page.getByRole("button", { name: "Move benelux up" }).click();
  await becomes(names, ["benelux", "loyal"]);
  // The pressed button is at its end now, so its neighbour gets the focus.
  await becomes(() => page.evaluate(() => document.activeElement.ariaLabel), "Move benelux down");
  await becomes(() => result.textContent(), (text) => text.startsWith("benelux is number 1 of 2 now.") && SERVED.test(text), "the order is served");
  assert.deepEqual(await inOrder(), ["benelux", "loyal"]);

  await page.getByRole("switch", { name: "shipping for loyal" }).click();
  await becomes(() => result.textContent(), (text) => text.startsWith("loyal is saved.") && SERVED.test(text), "the switch is served");
  assert.deepEqual((await shop.overrides("shipping")).map(({ enabled, value }) => [enabled, value]), [[true, 30], [false, 25]]);

  await overrides.filter({ hasText: "loyal" }).locator("summary").click();
  const editor = page.getByRole("form", { name: "shipping for loyal" });
  await editor.getByLabel("Type").selectOption("text");
  await editor.getByLabel("Value", { exact: true }).fill("free");
  await editor.getByRole("button", { name: "Save" }).click();
  await becomes(() => editor.locator(".result").textContent(), SERVED);
  assert.deepEqual((await shop.overrides("shipping")).map(({ enabled, value }) => [enabled, value]), [[true, 30], [false, "free"]]);

  await page.getByText("Add an override").click();
  const added = page.getByRole("form", { name: "New override of shipping" });
  await added.getByLabel("Search for a segment").fill("big");
  await page.keyboard.press("Enter");
  await becomes(() => added.locator("select").first().locator("option").allTextContents(), ["big_baskets"]);
  await added.getByLabel("Value", { exact: true }).fill("0");
  await added.getByRole("button", { name: "Add override" }).click();
  await becomes(names, ["benelux", "loyal", "big_baskets"]);
  await becomes(() => result.textContent(), (text) => text.startsWith("The override for big_baskets is added.") && SERVED.test(text), "the override is served");
  await becomes(() => flag(page, "shipping").locator("summary").first().textContent(), /3 segment overrides/);

  await editor.getByRole("button", { name: "Delete this override" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  assert.equal((await inOrder()).length, 3);
  await editor.getByRole("button", { name: "Delete this override" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await becomes(names, ["benelux", "big_baskets"]);
  await becomes(() => result.textContent(), (text) => text.startsWith("The override for loyal is deleted.") && SERVED.test(text), "the deletion is served");
  assert.deepEqual(await inOrder(), ["benelux", "big_baskets"]);
  await picture(page, "overrides");
});

pageTest("a flag is created and deleted", {}, async ({ shop, open }) => {
  const { page } = await open();
  await page.getByText("New flag", { exact: true }).click();
  const made = page.getByRole("form", { name: "New flag" });
  await made.getByLabel("Name").fill("CHECKOUT");
  await made.getByRole("button", { name: "Create flag" }).click();
  await becomes(() => made.locator(".error:visible:not(:empty)").allTextContents(), (texts) => texts.length === 1 && /already exists/.test(texts[0]), "the name is taken");
  await becomes(() => made.getByLabel("Name").getAttribute("aria-invalid"), "true");
  await made.getByLabel("Name").fill("ranking");
  await made.getByLabel("Value", { exact: true }).fill("12");
  await made.getByLabel("Switched on in all environments").check();
  for (const [index, value] of ["a", "b"].entries()) {
    await made.getByRole("button", { name: "Add a variant" }).click();
    const variant = made.getByRole("group", { name: `Variant ${index + 1}` });
    await variant.getByLabel("Value", { exact: true }).fill(value);
    await variant.getByLabel("Weight in %").fill("60");
  }
  await requireAccessible(page, "a new flag");
  await made.getByRole("button", { name: "Create flag" }).click();
  await becomes(() => made.locator(".error:visible:not(:empty)").allTextContents(), ["Invalid percentage allocation"]);
  await picture(page, "new-flag");
  await made.getByRole("button", { name: "Remove variant 2" }).click();
  await made.getByRole("button", { name: "Create flag" }).click();
  await becomes(() => page.textContent("#flags-result"), (text) => text.startsWith("ranking is created.") && SERVED.test(text), "the flag is served");
  assert.deepEqual((await shop.served("ranking")).feature_state_value, 12);
  await becomes(() => page.textContent("#flags-count"), "5 flags");

  await openFlag(page, "ranking");
  await page.getByRole("button", { name: "Delete this flag" }).click();
  const dialog = page.getByRole("dialog", { name: "Delete ranking?" });
  await requireAccessible(page, "a question");
  await dialog.getByRole("button", { name: "Delete" }).click();
  await becomes(() => page.textContent("#flags-count"), "4 flags");
  await becomes(() => page.textContent("#flags-result"), (text) => text.startsWith("ranking is deleted.") && SERVED.test(text), "the deletion is served");
  assert.equal(await shop.served("ranking"), undefined);
});

pageTest("a change that was made meanwhile is not overwritten silently", {}, async ({ shop, open }) => {
  const { page } = await open();
  await openFlag(page, "checkout");
  const editor = page.getByRole("form", { name: "Default of checkout" });
  const dialog = page.getByRole("dialog", { name: "checkout has changed meanwhile" });
  const save = editor.getByRole("button", { name: "Save" });
  await editor.getByLabel("Type").selectOption("text");
  await editor.getByLabel("Value", { exact: true }).fill("mine");
  await shop.change("checkout", { feature_state_value: "theirs" });
  await save.click();
  await becomes(() => dialog.locator("tbody tr").allTextContents(), ["Valueno valuetheirsmine"]);
  await requireAccessible(page, "a conflict");
  await picture(page, "conflict");
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal((await shop.state("checkout")).feature_state_value, "theirs", "nothing is written");
  assert.equal(await editor.getByLabel("Value", { exact: true }).inputValue(), "mine", "nothing entered is lost");
  // A further change while the dialog is open is a conflict again.
  await save.click();
  await dialog.waitFor();
  await shop.change("checkout", { feature_state_value: "theirs again", enabled: true });
  await dialog.getByRole("button", { name: "Overwrite" }).click();
  await becomes(() => dialog.locator("tbody tr").allTextContents(), ["Switchoffonoff", "Valuetheirstheirs againmine"]);
  await dialog.getByRole("button", { name: "Overwrite" }).click();
  await becomes(() => editor.locator(".result").textContent(), SERVED);
  assert.deepEqual(await shop.content("checkout"), [false, "mine"]);

  // The switch compares the value, too.
  await shop.change("checkout", { feature_state_value: "dangerous" });
  await page.getByRole("switch", { name: "checkout", exact: true }).click();
  await becomes(() => dialog.locator("tbody tr").allTextContents(), ["Switchoffoffon", "Valueminedangerousmine"]);
  await dialog.getByRole("button", { name: "Discard my change" }).click();
  await becomes(() => page.getByRole("form", { name: "Default of checkout" }).getByLabel("Value", { exact: true }).inputValue(), "dangerous");
  assert.deepEqual(await shop.content("checkout"), [false, "dangerous"]);

  await shop.change("checkout", { feature_state_value: "needed" });
  await page.getByRole("button", { name: "Delete this flag" }).click();
  await page.getByRole("dialog", { name: "Delete checkout?" }).getByRole("button", { name: "Delete" }).click();
  await becomes(() => dialog.locator("tbody tr").allTextContents(), ["Valuedangerousneeded"]);
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.deepEqual(await shop.content("checkout"), [false, "needed"]);
});

pageTest("changed overrides and their order are not overwritten silently", {}, async ({ shop, open }) => {
  const { page } = await open();
  await openFlag(page, "shipping");
  const overrides = flag(page, "shipping").locator(".overrides > li");
  await becomes(() => overrides.count(), 2);
  await shop.changeOverride("shipping", "loyal", { type: "int", integer_value: 1 });
  await page.getByRole("switch", { name: "shipping for loyal" }).click();
  const dialog = page.getByRole("dialog");
  await becomes(() => dialog.locator("tbody tr").allTextContents(), ["Switchononoff", "Value25125"]);
  await dialog.getByRole("button", { name: "Discard my change" }).click();
  await becomes(() => overrides.first().locator(".value").textContent(), "1");
  assert.deepEqual((await shop.overrides("shipping")).map(({ enabled, value }) => [enabled, value]), [[true, 1], [true, 30]]);

  await shop.override("shipping", "big_baskets", 9);
  await page.getByRole("button", { name: "Move benelux up" }).click();
  await becomes(() => dialog.locator("tbody tr").allTextContents(), ["Orderloyal, beneluxloyal, benelux, big_basketsbenelux, loyal"]);
  await dialog.getByRole("button", { name: "Discard my change" }).click();
  await becomes(() => overrides.locator(".name").allTextContents(), ["loyal", "benelux", "big_baskets"]);
  assert.deepEqual((await shop.overrides("shipping")).map(({ name }) => name), ["loyal", "benelux", "big_baskets"]);
});

pageTest("the page reports a change that the edge does not serve", {}, async ({ open }) => {
  const { page } = await open();
  let answers = 0;
  await page.route("**/identities/explain/*", (route) => {
    answers += 1;
    return answers === 1 ? route.fulfill({ status: 503, json: { detail: "busy" } }) : route.fulfill({ json: { flags: [], segments: [] } });
  });
  await page.clock.install();
  await page.getByRole("switch", { name: "checkout", exact: true }).click();
  const result = flag(page, "checkout").locator(":scope > .result");
  await becomes(() => result.textContent(), /^Switched on\. Waiting until the edge serves it in Production…$/);
  await becomes(async () => {
    await page.clock.runFor(5_000);
    return result.textContent();
  }, /The edge does not serve it in Production after 20 s\./);
  const asked = answers;
  await page.clock.runFor(60_000);
  assert.equal(answers, asked, "the page stops asking");
  await page.unroute("**/identities/explain/*");
  await page.route("**/identities/explain/*", (route) => route.fulfill({ status: 403, json: { detail: "VIEW_IDENTITIES is missing" } }));
  await page.getByRole("switch", { name: "checkout", exact: true }).click();
  await becomes(() => result.textContent(), /^Switched off\. The page cannot check when the edge serves the change: .*VIEW_IDENTITIES is missing$/);
});

pageTest("a project with 1,000 flags and 500 segments is shown in pages", { prepare: large }, async ({ shop, open }) => {
  const { page } = await open();
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  const items = page.locator("#flags-list > li");
  await becomes(() => page.textContent("#flags-count"), "50 of 1,000 flags");
  await becomes(() => page.textContent("#segments-count"), "50 of 500 segments");
  await page.locator("#flags-more button").click();
  await becomes(() => items.count(), 100);
  await becomes(() => page.evaluate(() => document.activeElement.textContent), /^flag_0052/, "the first new flag has the focus");
  await page.fill("#flags-query", "FLAG_099");
  await page.keyboard.press("Enter");
  await becomes(() => page.textContent("#flags-count"), "10 flags found for “FLAG_099”");
  await openFlag(page, "flag_0995");
  await page.getByText("Add an override").click();
  const added = page.getByRole("form", { name: "New override of flag_0995" });
  await becomes(() => added.locator("option").count(), (count) => count > 50, "the first segments are listed");
  await added.getByLabel("Search for a segment").fill("segment_0496");
  await page.keyboard.press("Enter");
  await becomes(() => added.getByLabel("Segment", { exact: true }).locator("option").allTextContents(), ["segment_0496"]);
  await added.getByRole("button", { name: "Add override" }).click();
  await becomes(() => flag(page, "flag_0995").locator(".overrides ~ .result").textContent(), SERVED);
  assert.deepEqual((await shop.overrides("flag_0995")).map(({ name }) => name), ["segment_0496"]);
  assert.ok(requests.length < 40, `${requests.length} requests`);
});

pageTest("names that contain HTML are shown as text", { prepare: hostile }, async ({ open }) => {
  const { page } = await open();
  await becomes(() => page.locator("#flags-list .name").allTextContents(), (names) => names.includes(HTML), "the flag");
  await openFlag(page, HTML);
  await becomes(() => page.locator("#segments-list .name").allTextContents(), (names) => names.includes(HTML), "the segment");
  await becomes(() => flag(page, HTML).locator(".overrides .name").allTextContents(), [HTML]);
  await page.getByRole("button", { name: "Delete this flag" }).click();
  await becomes(() => page.getByRole("dialog").locator("h3").textContent(), `Delete ${HTML}?`);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("main img, main b, main script, dialog img").count(), 0);
  await requireNoSidewaysScrolling(page, "hostile names");
});

pageTest("flags work by keyboard alone", {}, async ({ shop, open }) => {
  const { page } = await open();
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key);
  };
  const focus = () => page.evaluate(() => document.activeElement.ariaLabel ?? document.activeElement.textContent);
  await page.focus("#flags-query");
  await page.keyboard.type("checkout");
  await press("Enter");
  await becomes(() => page.textContent("#flags-count"), "1 flag found for “checkout”");
  await press("Tab", "Tab");
  assert.equal(await focus(), "checkout");
  await press("Space");
  await becomes(() => flag(page, "checkout").locator(":scope > .result").textContent(), SERVED);
  await press("Tab", "Enter");
  const editor = page.getByRole("form", { name: "Default of checkout" });
  await editor.waitFor();
  // The type: from "No value" up to "Text".
  await press("Tab");
  await page.keyboard.type("Text");
  await press("Tab");
  await page.keyboard.type("typed");
  await press("Tab", "Enter");
  await becomes(() => editor.locator(".result").textContent(), SERVED);
  assert.deepEqual(await shop.content("checkout"), [true, "typed"]);
  // A dialog gets the focus, and gives it back.
  await page.getByRole("button", { name: "Delete this flag" }).focus();
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  await press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await becomes(focus, "Delete this flag");
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  await press("Tab", "Enter");
  await becomes(() => page.textContent("#flags-count"), "No flag found for “checkout”.");
  await becomes(() => page.evaluate(() => document.activeElement.id), "flags-count");
});

pageTest("changes that are not saved are discarded only after a question", {}, async ({ open }) => {
  const { page } = await open();
  await openFlag(page, "shipping");
  const value = page.getByRole("form", { name: "Default of shipping" }).getByLabel("Value", { exact: true });
  await value.fill("51");
  const dialog = page.getByRole("dialog", { name: "Discard the changes?" });
  await page.selectOption("#environment-of-flags", { label: "Staging" });
  await dialog.getByRole("button", { name: "Keep editing" }).click();
  await becomes(() => page.locator("#environment-of-flags option:checked").textContent(), "Production");
  assert.equal(await value.inputValue(), "51");
  await page.selectOption("#environment-of-flags", { label: "Staging" });
  await dialog.getByRole("button", { name: "Discard" }).click();
  await becomes(() => page.locator(".overrides").count(), 0);
  await openFlag(page, "shipping");
  await becomes(() => flag(page, "shipping").locator(".overrides > li").count(), 0, "Staging has no overrides");
  assert.equal(await value.inputValue(), "50");
  // Signing out removes everything.
  await page.click("#sign-out");
  await becomes(() => page.textContent("#flags-list"), "");
  assert.equal(await page.locator("#workspace").isHidden(), true);
});

pageTest("feature states of an environment with Feature Versioning v2 are read only", {}, async ({ shop, open }) => {
  const { page } = await open();
  assert.equal(await page.locator("#flags-note").isHidden(), true);
  await page.route("**/api/v1/environments/?*", async (route) => {
    const answer = await (await route.fetch()).json();
    for (const environment of answer.results) environment.use_v2_feature_versioning = true;
    await route.fulfill({ json: answer });
  });
  await page.click("#sign-out");
  await signIn(page, API_KEY);
  await becomes(() => page.locator("#flags-note").isVisible(), true);
  assert.equal(await page.getByRole("switch", { name: "shipping", exact: true }).isDisabled(), true);
  await openFlag(page, "shipping");
  const overrides = flag(page, "shipping").locator(".overrides > li");
  await becomes(() => overrides.count(), 2);
  await overrides.first().locator("summary").click();
  await page.getByText("Add an override").click();
  const states = page.getByRole("group", { name: "States, read only" });
  await states.getByRole("form", { name: "New override of shipping" }).waitFor();
  const controls = await states.locator("button, input, select, textarea").all();
  assert.ok(controls.length > 15);
  for (const control of controls) assert.equal(await control.isDisabled(), true, await control.evaluate((control) => control.outerHTML));
  // Variants and the flag itself belong to the project.
  assert.equal(await page.getByRole("button", { name: "Delete this flag" }).isEnabled(), true);
  await requireAccessible(page, "Feature Versioning v2");
  assert.deepEqual(await shop.content("shipping"), [true, 50]);
});

pageTest("a flag without a state in the environment names the call that creates one", {}, async ({ open }) => {
  const { page } = await open();
  await page.route("**/api/v1/projects/*/features/?*", async (route) => {
    const answer = await (await route.fetch()).json();
    for (const feature of answer.results) feature.environment_feature_state = null;
    await route.fulfill({ json: answer });
  });
  await page.fill("#flags-query", "checkout");
  await page.keyboard.press("Enter");
  await becomes(() => page.textContent("#flags-count"), "1 flag found for “checkout”");
  assert.equal(await page.getByRole("switch", { name: "checkout", exact: true }).isDisabled(), true);
  await flag(page, "checkout").locator("summary").click();
  await becomes(() => flag(page, "checkout").locator(".inside").textContent(), /Create it with POST \/api\/v1\/environments\/\{key\}\/featurestates\/\.$/);
});

pageTest("flags are usable on a phone and in dark mode", {}, async ({ open }) => {
  for (const [name, options] of [
    ["phone", PHONE],
    ["dark", { colorScheme: "dark" }],
    ["dark-phone", { ...PHONE, colorScheme: "dark" }],
  ]) {
    const { page } = await open(options);
    await openFlag(page, "banner");
    await openFlag(page, "shipping");
    await page.locator(".overrides summary").first().click();
    await page.locator("#segments-list summary").first().click();
    await page.locator("#new-flag summary").click();
    await page.locator("#new-segment summary").click();
    await page.getByText("How changes are saved").click();
    await requireNoSidewaysScrolling(page, name);
    await requireAccessible(page, name);
    await picture(page, `flags-${name}`);
    for (const toggle of await page.getByRole("switch").all()) {
      const { width, height } = await toggle.boundingBox();
      assert.ok(width >= 44 && height >= 24, `${name}: ${width} × ${height}`);
    }
  }
});

test("without an origin, or with the worker's own key, the page explains why there are no flags", async (t) => {
  const edge = await startEdge({ variables: { ADMIN_KEY_SHA256 } });
  t.after(() => edge.close());
  const withOrigin = await startEdge(embeddedOrigin({ ADMIN_KEY_SHA256 }));
  t.after(() => withOrigin.close());
  const browser = await startBrowser();
  t.after(() => browser.close());
  for (const [{ address }, reason] of [
    [edge, /^Flags and segments cannot be shown\. The Admin API needs an origin: set ORIGIN_URL, or deploy with ORIGIN=embedded\.$/],
    [withOrigin, /^Flags need a credential of the Flagsmith behind this worker; the worker's own admin key is none\./],
  ]) {
    const { page, leave } = await visit(browser, `${address}/edge/`, WINDOW);
    await signIn(page, ADMIN_KEY);
    await becomes(() => page.textContent("#workspace-problem"), reason);
    assert.equal(await page.locator("#workspace").isHidden(), true);
    assert.equal(await page.locator("#signed-in").isVisible(), true, "the rest of the page works");
    await requireAccessible(page, "without flags");
    await leave();
  }
});

/** Fills the project up to Flagsmith's limits. */
async function large(shop) {
  const number = (index) => String(index).padStart(4, "0");
  for (let index = shop.features.size; index < 1000; index += 1) await shop.addFeature({ name: `flag_${number(index)}` });
  for (let index = shop.segments.size; index < 500; index += 1) {
    await shop.addSegment(`segment_${number(index)}`, { operator: "EQUAL", property: "plan", value: String(index) });
  }
}

/** Markup in all names. */
async function hostile(shop) {
  await shop.addFeature({ name: HTML, initial_value: HTML });
  await shop.addSegment(HTML, { operator: "EQUAL", property: HTML, value: HTML });
  await shop.override(HTML, HTML, 1);
}

test("before the first environment exists, the page refuses a wrong key and signs in with the right one", async (t) => {
  const edge = await startEdge(embeddedOrigin());
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const browser = await startBrowser();
  t.after(() => browser.close());
  const { page, leave } = await visit(browser, `${edge.address}/edge/`, WINDOW);
  await page.fill("#secret", "Tf6JxQp2.another");
  await page.click("#sign-in button");
  await becomes(() => page.textContent("#problem"), "This credential is not accepted: Valid Master API Key not found.");
  assert.deepEqual([await page.locator("#sign-in").isVisible(), await page.locator("#signed-in").isVisible()], [true, false]);
  await signIn(page, API_KEY);
  await becomes(() => page.textContent("#environments"), /No environment is published/);
  await becomes(() => page.textContent("#workspace-problem"), "Flags and segments cannot be shown. This credential can see no project.");
  assert.equal(await page.textContent("#problem"), "");
  await requireAccessible(page, "before the first environment");
  await leave();
});
