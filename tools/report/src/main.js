// Makes the page of `ioasim report` a tool: the picture of the run can be zoomed and filtered,
// tables can be filtered, light and dark be chosen. The page is whole without it.
import { readData } from "./data.js";
import { drawSeries } from "./series.js";
import { Timeline } from "./timeline.js";

/** A box above each long table that hides the rows without its text. */
function filterTables() {
  for (const table of document.querySelectorAll("table[data-filter]")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 5) {
      continue;
    }
    const label = document.createElement("label");
    label.className = "filter";
    label.textContent = `Filter ${table.caption.textContent.toLowerCase()} `;
    const box = document.createElement("input");
    box.type = "search";
    const count = document.createElement("span");
    count.setAttribute("role", "status");
    label.append(box);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    box.addEventListener("input", () => {
      const needle = box.value.trim().toLowerCase();
      let shown = 0;
      rows.forEach((row, i) => {
        row.hidden = !texts[i].includes(needle);
        shown += row.hidden ? 0 : 1;
      });
      count.textContent = ` ${shown} of ${rows.length}`;
    });
    const line = document.createElement("p");
    line.append(label, count);
    table.parentElement.before(line);
  }
}

/** Light, dark, or as the system is. */
function chooseTheme(redraw) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "theme";
  const themes = ["system", "light", "dark"];
  let at = 0;
  const apply = () => {
    const theme = themes[at];
    if (theme === "system") {
      document.documentElement.removeAttribute("data-theme");
    } else {
      document.documentElement.dataset.theme = theme;
    }
    button.textContent = `Colours: ${theme}`;
  };
  button.addEventListener("click", () => {
    at = (at + 1) % themes.length;
    apply();
    redraw();
  });
  document.querySelector("nav ul").append(
    Object.assign(document.createElement("li"), { className: "end" }),
  );
  document.querySelector("nav li.end").append(button);
  apply();
}

function main() {
  const data = readData(document.getElementById("data"));
  filterTables();
  let redraw = () => {};
  const host = document.getElementById("timeline-app");
  if (data !== null && host !== null) {
    const timeline = new Timeline(host, data);
    const charts = drawSeries(data);
    timeline.onZoom((min, max) => {
      for (const chart of charts) {
        chart.setScale("x", { min, max });
      }
    });
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a.moment");
      if (link) {
        event.preventDefault();
        timeline.goTo(Number(link.dataset.ps));
      }
    });
    redraw = () => {
      timeline.recolour();
      charts.forEach((chart) => chart.redraw());
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  }
  chooseTheme(redraw);
  document.documentElement.dataset.ready = "yes";
}

main();
