// Drives the page in headless Chromium: node test/speak.mjs URL FOLDER, with JSON on standard input.
//
// The input is a list of pages that one browser opens in turn, each a list of steps {text, speed, name}. A step types
// its text, waits until the sound is made or refused, and saves it as FOLDER/NAME.wav. A step with {voice} chooses a
// voice first. A step with {stop: true} waits for a lit word instead, and presses Stop. A step {name, words} gives the
// words to the network for unknown words, on the page itself. Prints as JSON: results, what
// the page said and when, in milliseconds since it was opened; requests, each {url, bytes} of a page and its worker,
// 0 bytes for what the browser had already; errors of the pages. A result tells in `requests` how many there were.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, folder] = process.argv.slice(2);
const pages = JSON.parse(readFileSync(0, "utf8"));
const [requests, errors, results] = [[], [], []];

// Returns the best classes of each word, and the milliseconds that a word took.
async function guess(page, { name, words }) {
  const found = await page.evaluate(async (words) => {
    const here = (file) => new URL(file, location).href;
    const { createNetwork } = await import(here("g2p.mjs"));
    const about = await (await fetch(here("g2p.json"))).json();
    const network = createNetwork(about, await (await fetch(here("g2p.bin"))).arrayBuffer());
    const start = performance.now();
    const classes = words.map(network);
    return { classes, milliseconds: (performance.now() - start) / words.length };
  }, words);
  return { name, ...found };
}

async function speak(page, { text, speed, name, stop, voice }) {
  if (voice) await page.getByLabel("Voice").selectOption({ label: voice });
  await page.getByLabel("Text").fill(text);
  await page.getByLabel(/^Speed/).fill(String(speed));
  await page.getByRole("button", { name: "Speak" }).focus();
  await page.keyboard.press("Enter");
  if (stop) {
    const lit = await page.locator("#words .said").textContent({ timeout: 120000 });
    await page.getByRole("button", { name: "Stop" }).click();
    return { name, lit, status: await page.locator("#status").textContent() };
  }
  await page.waitForFunction(() => !document.getElementById("download").hidden
                                   || document.getElementById("stop").disabled, null, { timeout: 120000 });
  const link = page.getByRole("link", { name: "Download as wav" });
  const spoken = await link.isVisible();
  if (spoken) {
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    await download.saveAs(join(folder, `${name}.wav`));
  }
  return {
    name, spoken, requests: requests.length, status: await page.locator("#status").textContent(), notes: await page.locator("#notes").textContent(),
    words: await page.locator("#words span").allTextContents(),
    tooWide: await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth),
    marks: await page.evaluate(() => Object.fromEntries( // the last one of each name
      performance.getEntriesByType("mark").map((mark) => [mark.name, mark.startTime]))),
  };
}

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const context = await browser.newContext({ acceptDownloads: true, viewport: { width: 360, height: 640 } });
  context.on("request", (request) => {
    const entry = { url: request.url(), bytes: 0 };
    requests.push(entry);
    request.response().then((response) => response?.finished())
      .then(() => request.sizes()).then((sizes) => { entry.bytes = sizes.responseBodySize; }).catch(() => {});
  });
  for (const steps of pages) {
    const page = await context.newPage();
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.goto(url);
    for (const step of steps) results.push(await (step.words ? guess : speak)(page, step));
    await page.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify({ results, requests, errors }));
