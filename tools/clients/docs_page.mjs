// Uses the page at /docs in a headless Chromium: sends requests with its forms by keyboard, runs the curl command that it
// shows, and looks for requests to elsewhere, for violations of its policy, and for what it stores.
//
//     docs_page.mjs FOLDER CHROMIUM [SCREENSHOTS]
//
// The service and the client's secrets are in PADAN_URL, PADAN_USERNAME, PADAN_PASSWORD and PADAN_API_KEY. With a third
// argument, writes pictures of the page into that folder.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const [, , folder, executablePath, screenshots] = process.argv;
const { chromium } = createRequire(join(resolve(folder), "package.json"))("playwright-core");
const { PADAN_URL, PADAN_USERNAME, PADAN_PASSWORD, PADAN_API_KEY } = process.env;
const SELFIE = "people/images/101_s1.jpg";
const WIDTHS = [360, 768, 1440];

// A page that notes what it should not do.
async function open(browser, options) {
  const page = await (await browser.newContext(options)).newPage();
  const faults = [];
  page.on("pageerror", error => faults.push(String(error)));
  page.on("console", message => {
    // Chromium reports each answer with an error status as an error.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(message.text());
  });
  page.on("request", request => request.url().startsWith(PADAN_URL) || request.url().startsWith("data:") || faults.push(request.url()));
  await page.goto(PADAN_URL + "/docs");
  await page.waitForSelector("h1");
  return { page, faults };
}

const outcomeOf = form => form.locator(".outcome.good, .outcome.bad").textContent();

async function send(form) {
  await form.getByRole("button", { name: "Send" }).click();
  return outcomeOf(form);
}

async function enterCredentials(page) {
  await page.getByLabel("User name").fill(PADAN_USERNAME);
  await page.getByLabel("Password").fill(PADAN_PASSWORD);
  await page.getByLabel("API key").fill(PADAN_API_KEY);
}

// Runs the shown command in a shell, as a person who has copied it, and returns what it prints.
async function runCommand(command) {
  return (await promisify(execFile)("sh", ["-c", command], { cwd: "people/images" })).stdout;
}

// The body that the shown command sends.
async function bodyOf(command) {
  const chunks = [];
  const server = createServer((request, response) =>
    request.on("data", chunk => chunks.push(chunk)).on("end", () => response.end()));
  await new Promise(started => server.listen(0, "127.0.0.1", started));
  await runCommand(command.replaceAll(PADAN_URL, `http://127.0.0.1:${server.address().port}`));
  server.close();
  return Buffer.concat(chunks).toString();
}

async function sendAllForms(page) {
  const form = page.locator("#verifyFace form");
  assert.match(await send(form), /^401 UNAUTHORIZED, after \d+ ms$/);
  await enterCredentials(page);
  assert.match(await send(form), /^400 MISSING_FIELD/);
  await form.getByRole("button", { name: "Fill in" }).click();
  await form.getByLabel("face_image").setInputFiles(SELFIE);
  for (const media of ["multipart/form-data", "application/json"]) {
    await form.getByLabel(media).check();
    assert.match(await send(form), /^200 VERIFIED, after \d+ ms$/, media);
    const body = await form.locator("pre.body").textContent();
    assert.equal(JSON.parse(body).verification_status, true);
    const headers = await form.locator("pre.headers").textContent();
    assert.match(headers, /^reason-code: VERIFIED$/m);
    assert.match(headers, /^request-id: [0-9a-f-]{36}$/m);
    const command = await form.locator("pre.command").textContent();
    for (const secret of [PADAN_PASSWORD, PADAN_API_KEY]) assert.ok(!command.includes(secret), command);
    const printed = await runCommand(command);
    assert.ok(printed.includes("200 OK") && printed.endsWith(body), `${command}\n${printed}`);
  }
  // Values that a shell, curl or printf would change.
  const name = "O'Brien $HOME `id` \\n %s \"x\" @y;z";
  await form.locator("#verifyFace-name").fill(name);
  await form.getByLabel("multipart/form-data").check();
  assert.match(await send(form), /^200 NAME_MISMATCH/);
  const sent = await bodyOf(await form.locator("pre.command").textContent());
  assert.ok(sent.includes(`\r\n\r\n${name}\r\n--`), sent.slice(0, 600));
  await form.getByLabel("application/json").check();
  assert.match(await send(form), /^200 NAME_MISMATCH/);
  const json = JSON.parse(await bodyOf(await form.locator("pre.command").textContent()));
  assert.deepEqual([json.nik, json.name], ["3174011403870000", name]);
  const match = page.locator("#matchFaces form");
  await match.getByLabel("captured_image").setInputFiles(SELFIE);
  await match.getByLabel("stored_image").setInputFiles("people/images/101_id.jpg");
  assert.match(await send(match), /^200 MATCH/);
  const basic = page.locator("#verifyFields form");
  await basic.getByText("Further fields").click();
  await basic.getByRole("button", { name: "Fill in" }).click();
  assert.match(await send(basic), /^200 VERIFIED/);
  await page.locator("#judgeLiveness form").getByLabel("image").setInputFiles(SELFIE);
  assert.match(await send(page.locator("#judgeLiveness form")), /^200 SPOOF_/);
}

// Reaches each control of a form by the tabulator key, sends with Enter, and finds a name for each of them.
async function useKeyboard(page) {
  const form = page.locator("#verifyFace form");
  await form.getByLabel("nik").focus();
  const reached = [];
  for (let n = 0; n < 9; n += 1) {
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent || document.activeElement.value));
    await page.keyboard.press("Tab");
  }
  for (const control of ["verifyFace-nik", "verifyFace-name", "verifyFace-date_of_birth", "verifyFace-face_image", "Send"]) {
    assert.ok(reached.includes(control), `${control} is not among ${reached}`);
  }
  await form.getByLabel("nik").fill("1");
  await form.getByLabel("nik").press("Enter");
  await form.locator(".outcome.bad").waitFor();
  assert.equal(await form.locator(".outcome").getAttribute("role"), "status");
  const nameless = await page.evaluate(() => [...document.querySelectorAll("input, button, form, section, nav")]
    .filter(node => !(node.labels?.length || node.textContent || node.ariaLabel)).map(node => node.outerHTML));
  assert.deepEqual(nameless, []);
  const ids = await page.evaluate(() => [...document.querySelectorAll("[id]")].map(node => node.id));
  assert.equal(new Set(ids).size, ids.length, "ids are unique");
}

// The contrast of each text with its ground, by WCAG 2; 4.5 is what small text needs.
async function leastContrast(page) {
  return page.evaluate(() => {
    const channels = colour => colour.match(/[\d.]+/g).map(Number);
    const luminance = colour => channels(colour).slice(0, 3)
      .map(value => value / 255).map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
      .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = node => {
      const colour = getComputedStyle(node).backgroundColor;
      const clear = channels(colour)[3] === 0;
      return clear && node.parentElement ? ground(node.parentElement) : clear ? "rgb(255, 255, 255)" : colour;
    };
    const texts = [...document.querySelectorAll("main *")].filter(node => !node.disabled && node.type !== "file" &&
      [...node.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.textContent.trim()));
    return texts.map(node => {
      const [one, other] = [luminance(getComputedStyle(node).color), luminance(ground(node))];
      return { text: node.textContent.slice(0, 40), contrast: (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) };
    }).reduce((least, found) => found.contrast < least.contrast ? found : least);
  });
}

async function look(browser, colorScheme, width) {
  const { page, faults } = await open(browser, { colorScheme, viewport: { width, height: 900 } });
  await page.evaluate(() => document.querySelectorAll("details").forEach(node => { node.open = true; }));
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(overflow <= 0, `${overflow} pixels do not fit into ${width}`);
  const least = await leastContrast(page);
  assert.ok(least.contrast >= 4.5, `${colorScheme}: ${JSON.stringify(least)}`);
  if (screenshots) await page.screenshot({ path: join(screenshots, `docs-${colorScheme}-${width}.png`), fullPage: true });
  assert.deepEqual(faults, []);
  await page.context().close();
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const { page, faults } = await open(browser, {});
  await sendAllForms(page);
  await useKeyboard(page);
  const stored = await page.evaluate(async () => [localStorage.length, sessionStorage.length, document.cookie, (await indexedDB.databases()).length]);
  assert.deepEqual(stored, [0, 0, "", 0]);
  await page.reload();
  await page.waitForSelector("h1");
  assert.equal(await page.getByLabel("Password").inputValue(), "");
  assert.deepEqual(faults, []);
  for (const scheme of ["light", "dark"]) for (const width of WIDTHS) await look(browser, scheme, width);
  console.log(`the page at /docs works in Chromium ${browser.version()}`);
} finally {
  await browser.close();
}
