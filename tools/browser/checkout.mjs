// The payer's page against use-cases that are faked: server/checkout/browser_test.go serves it and runs
// this. Every page of /control/sights is looked at; /control lets a promise move an order and count presses.
import { audit, base, layout, phone, run, shot, want, wantSoon, wide } from "./browser.mjs";

const sights = await (await fetch(`${base}/control/sights`)).json();
const control = (path) => fetch(`${base}/control/${path}`, { method: "POST" }).then((answer) => answer.text());
// fresh makes a page of its own that shows a sight, and returns its address.
const fresh = async (sight, more = "") => `${base}/pay/${await control(`fresh?sight=${sight}${more}`)}`;
const move = (address, sight) => control(`move?token=${new URL(address).pathname.split("/")[2]}&sight=${sight}`);
const presses = async (address) => Number(await control(`presses?token=${new URL(address).pathname.split("/")[2]}`));

const pay = (page) => page.locator("main form button").first();
const heading = (page, text) => page.locator("h1", { hasText: text }).waitFor();
const dark = { ...phone, colorScheme: "dark" };
const quiet = { ...phone, javaScriptEnabled: false };
const viber = { ...phone, userAgent: `${phone.userAgent} Viber/23.1.0` };
const atPSP = (page) => page.waitForURL(/\/psp\//);

// Each page in the language with the longest words, those that say the most in all.
const wordy = ["offer", "failed", "processing", "unknown", "long"];
const looks = Object.keys(sights).flatMap((sight) => (wordy.includes(sight) ? ["hy", "uk", "ru", "en"] : ["hy"]).map((lang) => ({
  name: `360 px and axe: ${sight} ${lang}`,
  async check(page) {
    await page.goto(`${await fresh(sight)}?lang=${lang}`);
    want(await page.evaluate(() => document.documentElement.lang) === lang, "is in another language");
    await layout(page);
    await audit(page);
    if (lang === "hy") await shot(page, `phone-${sight}`);
    else if (sight === "offer") await shot(page, `phone-${sight}-${lang}`);
  },
})));

const darkLooks = ["offer", "failed", "paid", "manual_review", "unknown", "long"].map((sight) => ({
  name: `dark and axe: ${sight}`, screen: dark,
  async check(page) {
    await page.goto(`${await fresh(sight)}?lang=uk`);
    await audit(page);
    await shot(page, `dark-${sight}`);
  },
}));

run([
  ...looks,
  ...darkLooks,
  {
    name: "a press leads to the PSP, and back",
    async check(page) {
      const address = await fresh("offer");
      await page.goto(address);
      await pay(page).click();
      await atPSP(page);
      await page.goBack();
      await heading(page, "Payment in progress");
      want(await page.locator("[aria-busy]").count() === 0, "the button is still pressed");
      await pay(page).click();
      await atPSP(page);
      want(await presses(address) === 2, "another press did not arrive");
    },
  },
  {
    name: "two presses are one",
    async check(page) {
      const address = await fresh("offer", "&slow=true");
      await page.goto(address);
      await pay(page).dblclick();
      await atPSP(page);
      want(await presses(address) === 1, `${await presses(address)} presses arrived`);
    },
  },
  {
    name: "a form leads to the PSP by itself, and back leads to the page",
    async check(page) {
      const address = await fresh("offer", "&form=true");
      await page.goto(address);
      await pay(page).click();
      await atPSP(page);
      want((await page.textContent("body")).includes("posted signature=a+b/c=="), "the fields did not arrive");
      await page.goBack();
      await heading(page, "Payment in progress");
      want(page.url() === address, `back leads to ${page.url()}`);
    },
  },
  {
    name: "without JavaScript: a form has a button", screen: quiet,
    async check(page) {
      await page.goto(await fresh("offer", "&form=true"));
      await layout(page);
      await pay(page).click();
      await heading(page, "Opening the payment page");
      await layout(page);
      await shot(page, "phone-handoff");
      await pay(page).click();
      await atPSP(page);
      want((await page.textContent("body")).includes("posted signature=a+b/c=="), "the fields did not arrive");
    },
  },
  {
    name: "without JavaScript: the page refreshes itself until it knows", screen: quiet,
    async check(page) {
      const address = await fresh("processing");
      await page.goto(`${address}/return/at_1`);
      await heading(page, "Payment in progress");
      await move(address, "paid");
      await heading(page, "Paid");
      want(await page.locator("noscript").count() === 0, "it goes on refreshing");
    },
  },
  {
    name: "the return page follows the order and goes nowhere",
    async check(page) {
      const address = await fresh("processing");
      await page.goto(`${address}/return/at_1?status=success`);
      await heading(page, "Payment in progress");
      await page.evaluate(() => { window.stayed = true; });
      await shot(page, "phone-returned");
      await move(address, "failed");
      await heading(page, "Payment failed");
      await audit(page);
      want(await pay(page).textContent() === "Try again with LiqPay", "there is no way to try again");
      await pay(page).click();
      await atPSP(page);
    },
  },
  {
    name: "paid is said live, also to who hears the page",
    async check(page) {
      const address = await fresh("processing");
      await page.goto(`${address}/return/at_1`);
      await page.evaluate(() => { window.stayed = true; });
      await move(address, "paid");
      await heading(page, "Paid");
      want(await page.evaluate(() => window.stayed), "the page was loaded again");
      want((await page.textContent("#said")).startsWith("Paid"), "nothing was said");
      want((await page.title()).startsWith("Paid"), "the title is the old one");
    },
  },
  {
    name: "a fixed link's order has a page of its own, to which back leads",
    async check(page) {
      const address = await fresh("fixed");
      await page.goto(address);
      const nonce = await page.inputValue("[name=nonce]");
      await pay(page).click();
      await atPSP(page);
      await page.goBack();
      await heading(page, "Payment in progress");
      want(page.url() !== address, "it is the fixed link's page");
      const own = page.url();
      await page.waitForTimeout(500);
      want(page.url() === own, "it left by itself again");
      await page.goBack();
      want(page.url() === address, `back leads to ${page.url()}`);
      want(await page.inputValue("[name=nonce]") === nonce, "the nonce is another one");
    },
  },
  {
    name: "without JavaScript: a fixed link's order waits for a press", screen: quiet,
    async check(page) {
      await page.goto(await fresh("fixed"));
      await pay(page).click();
      await page.waitForURL(/#pay$/);
      await heading(page, "Payment in progress");
      await pay(page).click();
      await atPSP(page);
    },
  },
  {
    name: "an old page asks to press again",
    async check(page) {
      await page.goto(await fresh("offer"));
      await page.evaluate(() => document.querySelectorAll("[name=nonce]").forEach((e) => { e.value = "A" + e.value.slice(1).toLowerCase(); }));
      await pay(page).click();
      await page.locator("[role=alert]").waitFor();
      await audit(page);
      await layout(page);
      await shot(page, "phone-stale");
      await pay(page).click();
      await atPSP(page);
    },
  },
  {
    name: "an app's own browser: a hint with the address, and the button stays", screen: viber,
    async check(page, context) {
      await context.grantPermissions(["clipboard-read", "clipboard-write"]);
      const address = await fresh("offer");
      await page.goto(address);
      await layout(page);
      await audit(page);
      await shot(page, "phone-viber");
      await page.locator("[data-copy]").click();
      await wantSoon(async () => await page.evaluate(() => navigator.clipboard.readText()) === address, "the address was not copied");
      await pay(page).click();
      await atPSP(page);
    },
  },
  {
    name: "a wide screen shows a code", screen: wide,
    async check(page) {
      await page.goto(`${await fresh("offer")}?lang=en`);
      want(await page.locator("aside svg").isVisible(), "there is no code");
      await audit(page);
      await shot(page, "wide-offer");
      await page.goto(`${await fresh("paid")}?lang=uk`);
      await shot(page, "wide-paid");
    },
  },
  {
    name: "the language that was chosen stays",
    async check(page) {
      await page.goto(await fresh("fixed"));
      await page.getByTitle("Українська").click();
      await page.waitForURL(/lang=uk/);
      await pay(page).click();
      await atPSP(page);
      await page.goBack();
      await heading(page, "Платіж обробляється");
    },
  },
  {
    name: "the time that is left runs out",
    async check(page) {
      const address = await fresh("short");
      await page.goto(address);
      await wantSoon(async () => /^0:0\d$/.test(await page.textContent("#left")), "nothing is counted");
      await move(address, "expired");
      await heading(page, "Payment period is over");
    },
  },
  {
    name: "the keyboard reaches the button, and shows where it is",
    async check(page) {
      await page.goto(await fresh("offer"));
      for (let i = 0; i < 5; i++) await page.keyboard.press("Tab");
      const focus = await page.evaluate(() => ({ tag: document.activeElement.tagName, outline: getComputedStyle(document.activeElement).outlineStyle }));
      want(focus.tag === "BUTTON" && focus.outline === "solid", JSON.stringify(focus));
      await page.keyboard.press("Enter");
      await atPSP(page);
    },
  },
]);
