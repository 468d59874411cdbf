// Opens pages of `ioasim report` in a headless Chromium from the disk and uses them as a person
// would: zooms, filters, follows links, walks with the keyboard, switches to dark. No error may
// stand in the console, nothing may be asked of the network, and axe-core must have no objection.
//   node report.mjs FOLDER-OF-PAGES AXE.js [FOLDER-FOR-PICTURES]
// Pages: run.html, static.html, failed.html, campaign.html, big.html (a trace of 100 MB).
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { inflateSync } from "node:zlib";
import { Browser } from "./chromium.mjs";

const [pages, axeFile, pictures] = process.argv.slice(2);
const axe = readFileSync(axeFile, "utf8");
let passed = 0;
let failed = 0;

function check(name, good, told = "") {
  console.log(good ? `ok ${name}` : `FAIL ${name}: ${told}`);
  good ? ++passed : ++failed;
}

/** Pixels of a PNG as Chromium writes it: 8 bits a channel, no interlacing. */
function pixels(png) {
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const channels = png[25] === 6 ? 4 : 3;
  const parts = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString("latin1", at + 4, at + 8) === "IDAT") {
      parts.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
    }
  }
  const raw = inflateSync(Buffer.concat(parts));
  const row = width * channels;
  const out = Buffer.alloc(row * height);
  for (let y = 0; y < height; ++y) {
    const filter = raw[y * (row + 1)];
    for (let x = 0; x < row; ++x) {
      const left = x >= channels ? out[y * row + x - channels] : 0;
      const up = y > 0 ? out[(y - 1) * row + x] : 0;
      const corner = x >= channels && y > 0 ? out[(y - 1) * row + x - channels] : 0;
      const guess = left + up - corner;
      const near = [left, up, corner].reduce((best, one) =>
        Math.abs(guess - one) < Math.abs(guess - best) ? one : best);
      const add = [0, left, up, (left + up) >> 1, near][filter];
      out[y * row + x] = raw[y * (row + 1) + 1 + x] + add;
    }
  }
  return { width, height, at: (x, y) => [...out.subarray(y * row + x * channels, y * row + x * channels + 3)] };
}

/** How many colours a picture has: an empty one has few. */
function colours(png) {
  const picture = pixels(png);
  const found = new Set();
  for (let y = 0; y < picture.height; y += 3) {
    for (let x = 0; x < picture.width; x += 3) {
      found.add(picture.at(x, y).join());
    }
  }
  return found.size;
}

function keep(name, png) {
  if (pictures !== undefined) {
    mkdirSync(pictures, { recursive: true });
    writeFileSync(join(pictures, `${name}.png`), png);
  }
}

const browser = await Browser.start();
if (browser === null) {
  console.log("Chromium is missing");
  process.exit(77);
}

async function open(name, dark = false) {
  const page = await browser.page();
  await page.size(1360, 1000, dark);
  const start = Date.now();
  await page.open(`file://${resolve(pages, `${name}.html`)}`);
  page.took = Date.now() - start;
  await page.settle();
  return page;
}

function quiet(name, page) {
  check(`${name}: no error in the console`, page.problems.length === 0, page.problems.join("; "));
  const foreign = page.requests.filter((url) => !url.startsWith("file:") && !url.startsWith("data:"));
  check(`${name}: asks nobody`, foreign.length === 0 && page.requests.length >= 1, foreign.join());
}

async function accessible(name, page) {
  await page.evaluate(`${axe}; 0`);
  const found = await page.evaluate(
    `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"]}).then((r) =>
       r.violations.map((v) => v.id + " " + v.nodes.slice(0, 2).map((n) => n.html.slice(0, 120)).join(" | ")))`,
  );
  check(`${name}: accessible`, found.length === 0, found.join("; "));
}

const range = (page) => page.evaluate(`document.querySelector(".range").textContent`);
const said = (page) => page.evaluate(`document.querySelector(".said").textContent`);
const canvasBox = (page) =>
  page.evaluate(`(() => { const b = document.querySelector(".lanes canvas").getBoundingClientRect();
    return {x: b.x + scrollX, y: b.y + scrollY, width: b.width, height: b.height, scale: 1}; })()`);
const picture = async (page) => page.screenshot(await canvasBox(page));

async function run() {
  const page = await open("run");
  check("run: the script ran", (await page.evaluate(`document.documentElement.dataset.ready`)) === "yes");
  const whole = await range(page);
  const first = await picture(page);
  check("run: lanes are drawn", colours(first) > 8, `${colours(first)} colours`);
  await page.evaluate(`document.querySelector(".lanes canvas").focus()`);
  await page.key("+");
  await page.key("+");
  check("run: + zooms", (await range(page)) !== whole && !(await picture(page)).equals(first), await range(page));
  const zoomed = await range(page);
  await page.key("ArrowRight");
  check("run: arrows move", (await range(page)) !== zoomed, await range(page));
  await page.key("Home");
  check("run: home shows all", (await range(page)) === whole, await range(page));
  await page.evaluate(`document.querySelector(".lanes").scrollIntoView({block: "center"})`);
  const box = await page.evaluate(`(() => { const b = document.querySelector(".lanes canvas").getBoundingClientRect(); return [b.x + 700, b.y + 200]; })()`);
  await page.mouse("mouseWheel", ...box, { deltaX: 0, deltaY: -400 });
  await page.settle();
  check("run: the wheel zooms", (await range(page)) !== whole, await range(page));
  const span = await page.evaluate(`[...document.querySelectorAll(".plot .u-legend")].length`);
  check("run: series are charts", span >= 3, `${span}`);
  await page.key("Home");
  await page.key("ArrowDown");
  check("run: a lane is told", (await said(page)).includes("lane "), await said(page));
  for (let i = 0; i < 5; ++i) {
    await page.key("ArrowDown"); // to a program: it has several steps
  }
  await page.key("n");
  check("run: a slice is told", / at \d/.test(await said(page)), await said(page));
  const before = await said(page);
  await page.key("n");
  check("run: the next one is another", (await said(page)) !== before, await said(page));
  await page.key("Enter");
  check("run: enter zooms to it", (await range(page)) !== whole, await range(page));
  await page.key("Home");

  await page.evaluate(`(() => { const box = document.querySelector(".toolbar input"); box.value = "kvm"; box.dispatchEvent(new Event("input")); })()`);
  const lanes = await said(page);
  check("run: the filter leaves some lanes", /^[1-9]\d* of \d+ lanes$/.test(lanes) && lanes.split(" ")[0] !== lanes.split(" ")[2], lanes);
  await page.evaluate(`(() => { const box = document.querySelector(".toolbar input"); box.value = ""; box.dispatchEvent(new Event("input")); })()`);
  const tall = await page.evaluate(`document.querySelector(".spacer").offsetHeight`);
  await page.evaluate(`document.querySelectorAll(".groups input").forEach((box) => box.click())`);
  const flat = await page.evaluate(`document.querySelector(".spacer").offsetHeight`);
  check("run: groups can be hidden", flat < tall, `${flat} of ${tall}`);
  await page.evaluate(`document.querySelectorAll(".groups input").forEach((box) => box.click())`);

  const moment = await page.evaluate(`(() => { const link = document.querySelector("#faults a.moment"); link.click(); return link.textContent; })()`);
  check("run: a link leads to its moment", (await said(page)) === `The moment ${moment}`, `${await said(page)}, not ${moment}`);
  check("run: and shows it near", (await range(page)) !== whole && (await page.evaluate(`document.activeElement.tagName`)) === "CANVAS");
  await page.key("Home");
  const rows = await page.evaluate(`(() => { const box = document.querySelector("#latencies .filter input"); box.value = "notification"; box.dispatchEvent(new Event("input"));
    return [...document.querySelectorAll("#latency-table tbody tr")].map((row) => row.hidden); })()`);
  check("run: tables can be filtered", rows.includes(true) && rows.includes(false));
  keep("run-light", await page.screenshot());
  await accessible("run", page);
  quiet("run", page);
  await page.close();
}

async function dark() {
  const page = await open("run", true);
  const light = await open("run");
  const shade = async (p) => pixels(await p.screenshot()).at(5, 5).reduce((a, b) => a + b);
  check("dark: the page is dark", (await shade(page)) < 150 && (await shade(light)) > 600);
  await light.evaluate(`(() => { const b = document.querySelector("button.theme"); b.click(); b.click(); })()`);
  await light.settle();
  check("dark: can be chosen", (await shade(light)) < 150);
  check("dark: lanes are drawn", colours(await picture(page)) > 8);
  keep("run-dark", await page.screenshot());
  await accessible("dark", page);
  quiet("dark", page);
  await page.close();
  await light.close();
}

async function still() {
  const page = await open("static");
  check("static: has pictures", (await page.evaluate(`document.querySelectorAll("svg[role=img]").length`)) > 5);
  check("static: no script", (await page.evaluate(`document.scripts.length`)) === 0);
  const mark = await page.evaluate(`(() => { const link = document.querySelector("#faults a.moment"); link.click(); return link.hash; })()`);
  await page.settle();
  const seen = await page.evaluate(`(() => { const g = document.querySelector("${mark}"); return g.matches(":target") && getComputedStyle(g).visibility; })()`);
  check("static: a link shows its mark", seen === "visible", `${mark} ${seen}`);
  await page.size(400, 900);
  // Other machines have wider letters and longer paths.
  for (const style of ["", "*{letter-spacing:3px}", "*{font-size:20px!important}"]) {
    await page.evaluate(`(() => { const s = document.createElement("style"); s.textContent = "${style}"; document.head.append(s); })()`);
    const wide = await page.evaluate(`document.documentElement.scrollWidth`);
    check(`static: fits a narrow window ${style}`, wide <= 400, `${wide}`);
  }
  await accessible("static", page);
  quiet("static", page);
  await page.close();
}

async function others() {
  for (const name of ["failed", "campaign"]) {
    const page = await open(name);
    check(`${name}: tells failures`, (await page.evaluate(`document.body.innerText`)).includes("order.priority"));
    keep(name, await page.screenshot());
    await accessible(name, page);
    quiet(name, page);
    await page.close();
  }
}

async function big() {
  const page = await open("big");
  check("big: opens in 10 s", page.took < 10_000, `${page.took} ms`);
  check("big: lanes are drawn", colours(await picture(page)) > 5);
  const start = Date.now();
  await page.evaluate(`document.querySelector(".lanes canvas").focus()`);
  for (let i = 0; i < 10; ++i) {
    await page.key("+");
  }
  check("big: ten zooms in 5 s", Date.now() - start < 5000, `${Date.now() - start} ms`);
  quiet("big", page);
}

for (const part of [run, dark, still, others, big]) {
  try {
    await part();
  } catch (error) {
    check(part.name, false, error.stack);
  }
}
await browser.stop();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
