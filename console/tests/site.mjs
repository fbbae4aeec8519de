// What the cases share: pages that note what they should not do, sign-in, axe-core, and photos made from others.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const project = join(dirname(fileURLToPath(import.meta.url)), "../..");
const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** The settings of the run: addresses, accounts, the log of the service and its process. */
export const site = JSON.parse(readFileSync(process.argv[2], "utf8"));

export const BUDI = { nik: "3174011403870000", name: "Budi Santoso", dateOfBirth: "14-03-1987" };
export const SELFIE = join(project, "people/images/101_s1.jpg");
export const STRANGER = join(project, "people/images/118_s1.jpg");

/** Every address that a page asked for, with what it sent as a query. */
export const addresses = new Set();

/** A page that notes errors, violations of its policy, and requests to elsewhere. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ locale: "id-ID", viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", error => faults.push(String(error)));
  page.on("dialog", dialog => {
    faults.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", message => {
    // Chromium reports each answer with an error status, and each connection that fails, as an error.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(message.text());
  });
  page.on("request", request => {
    const url = request.url();
    addresses.add(url);
    const origin = new URL(site.url).origin;
    if (!url.startsWith(origin) && !url.startsWith("data:") && !url.startsWith(`blob:${origin}`)) faults.push(url);
  });
  await page.goto(site.url);
  await page.waitForSelector("h1");
  return { context, page, faults };
}

/** Signs in with the account of a role, in Bahasa Indonesia. */
export async function signIn(page, role, url = site.url) {
  const { name, password } = site.accounts[role];
  if (page.url() !== url) await page.goto(url);
  await page.getByLabel("Akun").fill(name);
  await page.getByLabel("Kata sandi").fill(password);
  await page.getByRole("button", { name: "Masuk", exact: true }).click();
  await page.locator("nav a[aria-current=page]").waitFor({ state: "attached" });
}

/** Goes to a page by its link, as a user does. On a narrow screen the menu is opened first. */
export async function goTo(page, title) {
  const menu = page.getByRole("button", { name: "Menu", exact: true });
  if (await menu.isVisible()) await menu.click();
  await page.getByRole("navigation").getByRole("link", { name: title, exact: true }).click();
  await page.getByRole("heading", { level: 1, name: title, exact: true }).waitFor();
}

/** The violations that axe-core finds in what is shown. */
export async function findViolations(page) {
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    const { violations: found } = await globalThis.axe.run(document, {
      runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    });
    return found.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary ?? ""}`));
  });
}

/** What does not fit into the width of the screen, and controls that lie over others. */
export async function findOverlaps(page) {
  return page.evaluate(() => {
    const over = document.documentElement.scrollWidth - innerWidth;
    const isShown = node => node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().width > 2;
    const scope = document.querySelector("dialog[open]") ?? document;
    const controls = [...scope.querySelectorAll("main button, main a, main label, main input, main select, dialog button, dialog input, .bar button, nav a")].filter(isShown);
    const found = over > 0 ? [`${over} pixels do not fit`] : [];
    for (const part of document.querySelectorAll("dialog[open] > .content")) {
      if (part.scrollWidth > part.clientWidth) found.push(`${part.scrollWidth - part.clientWidth} pixels do not fit into the dialog`);
    }
    for (const [index, one] of controls.entries()) for (const other of controls.slice(index + 1)) {
      if (one.contains(other) || other.contains(one) || getComputedStyle(one.closest(".bar") ?? one).position === "sticky") continue;
      const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
      const [width, height] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
      if (width > 2 && height > 2) found.push(`${one.outerHTML.slice(0, 80)} lies over ${other.outerHTML.slice(0, 80)}`);
    }
    return found;
  });
}

/** What a browser keeps for the console: only the two preferences. */
export async function assertNothingKept(page) {
  const kept = await page.evaluate(async () => ({
    local: Object.keys(localStorage).filter(name => !["padan-console-language", "padan-console-appearance"].includes(name)),
    session: Object.keys(sessionStorage),
    databases: (await indexedDB.databases()).length,
    caches: (await globalThis.caches?.keys())?.length ?? 0,
    readableCookies: document.cookie,
  }));
  assert.deepEqual(kept, { local: [], session: [], databases: 0, caches: 0, readableCookies: "" });
}

/** Photos that cannot be used, each for its own reason, drawn from a selfie in a page without a policy. */
export async function makePhotos(browser) {
  const page = await browser.newPage();
  const source = `data:image/jpeg;base64,${readFileSync(SELFIE).toString("base64")}`;
  const made = await page.evaluate(async address => {
    const picture = await createImageBitmap(await (await fetch(address)).blob());
    const draw = (width, height, paint) => {
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      const context = canvas.getContext("2d");
      context.fillStyle = "#8a8f93";
      context.fillRect(0, 0, width, height);
      paint(context);
      return canvas.toDataURL("image/jpeg", 0.92).split(",")[1];
    };
    const filtered = filter => context => {
      context.filter = filter;
      context.drawImage(picture, 0, 0);
    };
    return {
      NO_FACE: draw(432, 540, () => {}),
      SEVERAL_FACES: draw(864, 540, context => [0, 432].forEach(left => context.drawImage(picture, left, 0))),
      FACE_TOO_SMALL: draw(432, 540, context => context.drawImage(picture, 150, 150, 86, 108)),
      FACE_TOO_DARK: draw(432, 540, filtered("brightness(0.12)")),
      FACE_BLURRED: draw(432, 540, filtered("blur(7px)")),
      FACE_TOO_BRIGHT: draw(432, 540, context => {
        filtered("brightness(2)")(context);
        Object.assign(context, { filter: "none", globalCompositeOperation: "lighter", fillStyle: "rgb(120 120 120)" });
        context.fillRect(0, 0, 432, 540);
      }),
      // The rows of the nose are moved to the side, so that it lies where that of a turned head does.
      FACE_TURNED: draw(432, 540, context => {
        for (let row = 0; row < 540; row += 1) {
          context.drawImage(picture, 0, row, 432, 1, -Math.round(70 * Math.exp(-(((row - 285) / 40) ** 2))), row, 432, 1);
        }
      }),
      // Half of the face lies beyond the edge.
      FACE_COVERED: draw(216, 540, context => context.drawImage(picture, -216, 0)),
    };
  }, source);
  await page.close();
  const photo = (buffer, mimeType = "image/jpeg") => ({ name: "photo", mimeType, buffer });
  return {
    ...Object.fromEntries(Object.entries(made).map(([reason, bytes]) => [reason, photo(Buffer.from(bytes, "base64"))])),
    IMAGE_UNREADABLE: photo(readFileSync(SELFIE).subarray(0, 9000)),
    UNSUPPORTED_IMAGE: photo(Buffer.from("GIF89a, which is neither PNG nor JPEG"), "image/jpeg"),
  };
}
