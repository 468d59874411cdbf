// Bundles the script of the report page: node build.mjs FOLDER writes report.js, report.css and
// report.hash there. The licences of what is bundled stand in front of it.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (out === undefined) {
  console.error("usage: node build.mjs FOLDER");
  process.exit(2);
}

/** Packages whose files are in the bundle, by name. */
function packagesOf(metafile) {
  const found = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const inside = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (inside !== null) {
      found.add(inside[1]);
    }
  }
  return [...found].sort();
}

function licences(packages) {
  return packages
    .map((name) => {
      const folder = join(here, "node_modules", name);
      const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      return `${name} ${version}\n\n${readFileSync(join(folder, "LICENSE"), "utf8").trim()}`;
    })
    .join("\n\n");
}

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.js"],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  write: false,
  metafile: true,
});
const banner = `/*\n${licences(packagesOf(result.metafile)).replaceAll("*/", "* /")}\n*/\n`;
// Inside a page nothing of the script may end it or look like a comment of HTML.
const script = (banner + result.outputFiles[0].text)
  .replaceAll("</script", "<\\/script")
  .replaceAll("<!--", "<\\!--");
const style =
  readFileSync(join(here, "node_modules/uplot/dist/uPlot.min.css"), "utf8") +
  readFileSync(join(here, "src/page.css"), "utf8");
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "report.css"), style);
writeFileSync(
  join(out, "report.hash"),
  `sha256-${createHash("sha256").update(script).digest("base64")}\n`,
);
writeFileSync(join(out, "report.js"), script);
console.log(`${out}: ${Math.ceil(script.length / 1024)} KiB`);
