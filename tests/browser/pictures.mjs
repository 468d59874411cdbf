// Pictures of a page of `ioasim report` for a README: node pictures.mjs PAGE.html FOLDER.
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Browser } from "./chromium.mjs";

const [file, folder] = process.argv.slice(2);
const browser = await Browser.start();
if (browser === null) {
  console.error("Chromium is missing");
  process.exit(77);
}
mkdirSync(folder, { recursive: true });

async function page(dark) {
  const made = await browser.page();
  await made.size(1280, 860, dark);
  await made.open(`file://${resolve(file)}`);
  await made.settle();
  return made;
}

async function keep(made, name, selector) {
  await made.evaluate(`document.querySelector("${selector}").scrollIntoView()`);
  await made.settle();
  writeFileSync(join(folder, name), await made.screenshot());
}

const light = await page(false);
await keep(light, "report.png", "#timeline");
const dark = await page(true);
await dark.evaluate(`document.querySelector("#faults a.moment").click()`);
for (let i = 0; i < 3; ++i) {
  await dark.key("-");
}
await keep(dark, "report_dark.png", "#timeline");
await keep(dark, "report_ids.png", "#ids");
await browser.stop();
