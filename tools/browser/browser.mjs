// What every run in a real browser shares: the browser, phones and wide screens, what is looked at on
// each page, and a report of one line per promise.
//
// Settings come by environment: KVIT_PAGE_URL is the server, KVIT_SHOTS a folder for screenshots (none:
// no screenshots), KVIT_BROWSER the browser's program, KVIT_ONLY a word: only promises with it are run.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

export const base = process.env.KVIT_PAGE_URL ?? "http://127.0.0.1:8080";
const shots = process.env.KVIT_SHOTS ?? "";
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const phone = {
  viewport: { width: 360, height: 640 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true,
  userAgent: "Mozilla/5.0 (Linux; Android 10; SM-A105F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
};
export const wide = { viewport: { width: 1280, height: 800 } };

export function want(holds, what) {
  if (!holds) throw new Error(what);
}

// wantSoon asks until it holds.
export async function wantSoon(holds, what, withinMs = 10000) {
  for (const end = Date.now() + withinMs; Date.now() < end;) {
    if (await holds()) return;
    await new Promise((again) => setTimeout(again, 50));
  }
  throw new Error(what);
}

// run checks promises, atOnce of them at the same time, each in a browser context of its own, and ends
// the process: 0 where all hold. A promise is { name, screen, check(page, context) }.
export async function run(promises, atOnce = 1) {
  const only = process.env.KVIT_ONLY ?? "";
  const browser = await chromium.launch({
    executablePath: process.env.KVIT_BROWSER ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  if (shots) await mkdir(shots, { recursive: true });
  let failed = 0;
  const left = promises.filter((p) => p.name.includes(only));
  const work = async () => {
    for (let next = left.shift(); next; next = left.shift()) if (!await holds(browser, next)) failed++;
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  await browser.close();
  process.exit(failed === 0 ? 0 : 1);
}

async function holds(browser, { name, screen, check }) {
  const context = await browser.newContext(screen ?? phone);
  context.setDefaultTimeout(15000);
  const complaints = watch(context);
  try {
    await check(await context.newPage(), context);
    want(complaints.length === 0, `the browser complains: ${complaints.join("; ")}`);
    want((await context.cookies()).length === 0, "a cookie was set");
    console.log(`ok ${name}`);
    return true;
  } catch (error) {
    console.log(`not ok ${name}: ${error.message}`);
    return false;
  } finally {
    await context.close();
  }
}

// watch collects what a browser says about errors, refused content and requests to strangers. Where a
// payer is sent is no stranger, those are navigations; nor is a page to itself.
function watch(context) {
  const complaints = [];
  const origin = (url) => new URL(url).origin;
  context.on("page", (page) => {
    page.on("console", (said) => {
      if (said.type() === "error" && !said.text().startsWith("Failed to load resource")) complaints.push(said.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("request", (request) => {
      if (request.isNavigationRequest() || request.url().startsWith("data:")) return;
      const asked = origin(request.url());
      if (asked !== origin(base) && asked !== origin(request.frame().url())) complaints.push(`asked a stranger: ${asked}`);
    });
  });
  return complaints;
}

export async function shot(page, name, fullPage = true) {
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`), fullPage });
}

// audit runs axe over the page as it is. The driver evaluates it: the page's own policy lets no script in.
export async function audit(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  want(violations.length === 0, violations.map((v) => `${v.id} (${v.nodes.map((n) => n.target).join(", ")})`).join("; "));
}

// layout checks what every page on a small phone promises: nothing scrolls sideways, what is tapped is
// at least 44 px, and the button to pay stands within the first screen.
export async function layout(page) {
  const seen = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth, screen: document.documentElement.clientWidth,
    lang: document.documentElement.lang, title: document.title,
    small: [...document.querySelectorAll("a, button, input:not([type=hidden])")]
      .map((e) => ({ box: e.getBoundingClientRect(), text: e.textContent || e.value }))
      .filter(({ box }) => box.width > 0 && (box.height < 43.5 || box.width < 43.5)).map(({ text }) => text),
    first: document.querySelector("form button:not(.second)")?.getBoundingClientRect().bottom ?? 0,
  }));
  want(seen.width <= seen.screen, `scrolls sideways: ${seen.width} px on ${seen.screen}`);
  want(seen.lang !== "" && seen.title !== "", "has no language or no title");
  want(seen.small.length === 0, `too small to tap: ${seen.small.join(", ")}`);
  want(seen.first <= 640, `the button ends at ${seen.first} px`);
}
