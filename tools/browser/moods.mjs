// Payers in the sandbox: server/app/moods_test.go starts a real server with its sandbox, says at
// KVIT_SCENES what payers do, and checks what came of it. A scene is { name, lang, quiet, steps, titles }: its
// steps are played one after the other in a browser of its own, by phone, without JavaScript where it is
// quiet. At KVIT_SCENES/{name} the payer gets their link, and tells what they read.
import { base, layout, phone, run, shot, want } from "./browser.mjs";

const door = process.env.KVIT_SCENES;
const scenes = await (await fetch(door)).json();
const atOnce = 6;

const ours = (url) => url.href.startsWith(`${base}/`);
const payButton = (page) => page.locator("main form button").first();
const atPSP = (page) => page.waitForURL((url) => !ours(url) && url.pathname.startsWith("/pay/"));
const line = async (place) => (await place.count() === 0 ? "" : (await place.first().innerText()).trim().replace(/\s+/g, " "));

// A player is one payer: the page that they look at, and what they have read so far.
class Player {
  constructor(scene, link, page, context) {
    Object.assign(this, { scene, link, page, context, read: [], sessions: [], photos: 0 });
  }

  async play(step) {
    const [verb, ...rest] = step.split(" ");
    await steps[verb](this, rest.join(" "), rest);
  }

  note(what) { this.read.push(what); }

  photo(page = this.page) { return shot(page, `${this.scene.name}-${++this.photos}`); }

  async arrived(page = this.page) {
    await atPSP(page);
    this.sessions.push(page.url());
    this.reference = await line(page.locator("main > p.small"));
  }

  // reads waits until the page names a state, as the catalog does in the payer's language. Nobody reloads it.
  async reads(page, state, within) {
    const { titles: { [state]: title }, lang } = this.scene;
    const main = page.locator(`main[data-state="${state}"]`);
    const heading = title ? main.locator("h1", { hasText: new RegExp(`^\\s*${title}\\s*$`) }) : main.locator("h1");
    try {
      await heading.waitFor({ timeout: within });
    } catch {
      const seen = await page.locator("main").getAttribute("data-state").catch(() => "nothing");
      throw new Error(`the page never says ${state} ${title ?? ""}: it says ${seen} ${await line(page.locator("h1"))}`);
    }
    want(await page.locator("html").getAttribute("lang") === lang, `the page is not in the payer's language ${lang}`);
    await layout(page);
    const reason = await line(page.locator(".said .reason"));
    this.note(`${state}: ${await line(heading)}. ${await line(page.locator(".said p"))} ${reason}`.trim());
    await this.photo(page);
  }
}

const steps = {
  async opens({ page, link }) { await page.goto(link); },

  // "presses" presses Pay and goes to the PSP; "presses twice" taps as who is impatient does.
  async presses(player, times) {
    const { page } = player;
    const before = page.url();
    if (times === "twice") await payButton(page).dblclick(); else await payButton(page).click();
    // Without JavaScript a fixed link's order has a page of its own, whose button is pressed.
    await page.waitForURL((url) => !ours(url) || url.hash === "#pay" && url.href !== before);
    if (player.scene.quiet && page.url().endsWith("#pay")) await payButton(page).click();
    await player.arrived();
  },

  // "chooses pay" presses that button of the sandbox's page.
  async chooses(player, mood) {
    const { page } = player;
    const button = page.locator(`button[name=mood][value="${mood}"]`);
    if (!await button.isVisible()) await page.locator("summary").click();
    if (mood === "pay" || mood === "pay_more") await player.photo();
    player.note(`at the PSP: ${await line(button)}`);
    await button.click();
    if (mood !== "no_return") await page.waitForURL(ours);
  },

  // "reads PAID": within the time that a page may take to follow.
  async reads(player, state) { await player.reads(player.page, state, 30000); },

  // "waits PAID": for what takes a minute.
  async waits(player, state) { await player.reads(player.page, state, 100000); },

  // "stays" is a browser that the PSP does not send back.
  async stays(player) {
    await player.page.locator("main .state").waitFor();
    want(!ours(new URL(player.page.url())), "the browser came back");
    player.note(`at the PSP: ${await line(player.page.locator("main .state"))}`);
    await player.photo();
  },

  // "returns" is the link that the PSP's page has for who does not want to wait.
  async returns({ page }) {
    await page.locator("main > p > a").click();
    await page.waitForURL(ours);
  },

  // "back" is the browser's own button.
  async back({ page }) {
    await page.goBack();
    await page.waitForURL(ours);
  },

  // "merchant captures": the test does it through the merchant's door.
  async merchant(player, what) {
    player.note(`the merchant ${what}`);
    const answer = await fetch(`${door}/${player.scene.name}?merchant=${what}`, { method: "PUT" });
    want(answer.ok, `the merchant cannot: ${await answer.text()}`);
  },

  // "cabinet refund" presses a button of the PSP's cabinet, beside this payment.
  async cabinet(player, mood) {
    const cabinet = await player.context.newPage();
    await cabinet.goto(`${new URL(player.sessions[0]).origin}/cabinet`);
    const form = cabinet.locator("article form", { has: cabinet.locator(`input[value="${player.reference}"]`) }).last();
    await shot(cabinet, `${player.scene.name}-cabinet`, false);
    player.note(`in the cabinet: ${mood}`);
    const answered = cabinet.waitForResponse((answer) => answer.request().method() === "POST");
    await form.locator(`button[value="${mood}"]`).click();
    want((await answered).status() === 303, "the cabinet refused");
    await cabinet.close();
  },

  // "tabs" opens the link in a second tab, and presses in both at the same moment.
  async tabs(player) {
    await steps.beside(player, "", ["opens"]);
    await Promise.all([payButton(player.page).click(), payButton(player.other).click()]);
    await player.arrived(player.other);
    await player.arrived();
    player.note("two tabs pressed at once");
  },

  // "beside ..." is about a second tab of the same browser: it opens the link, goes back, reads.
  async beside(player, _, [what, state]) {
    if (what === "opens") {
      player.other = await player.context.newPage();
      await player.other.goto(player.link);
    } else if (what === "back") {
      await player.other.goBack();
      await player.other.waitForURL(ours);
    } else {
      await player.reads(player.other, state, 30000);
    }
  },
};

const tell = (player, failed) => fetch(`${door}/${player.scene.name}`, {
  method: "POST", body: JSON.stringify({ read: player.read, sessions: player.sessions, failed }),
});

run(scenes.map((scene) => ({
  name: scene.name,
  screen: { ...phone, locale: "en-US", javaScriptEnabled: !scene.quiet },
  async check(page, context) {
    const link = await (await fetch(`${door}/${scene.name}`)).text();
    const player = new Player(scene, link, page, context);
    let failed = "";
    for (const step of scene.steps) {
      try {
        await player.play(step);
      } catch (error) {
        await player.photo();
        failed = `${step}: ${error.message}`;
        break;
      }
    }
    await tell(player, failed);
    want(failed === "", failed);
  },
})), atOnce);
