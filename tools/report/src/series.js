// References, queues and live IDs over time, in place of the pictures of the page. They follow the
// zoom of the timeline.
import uPlot from "uplot";
import { timeText } from "./data.js";

const kShown = 8; // series in one chart

/** All series of a chart over the times of all. */
function joined(list, begin, end) {
  const times = [...new Set([begin, end, ...list.flatMap((one) => one.times)])].sort((a, b) => a - b);
  const columns = list.map((one) => {
    let at = -1;
    return times.map((time) => {
      while (at + 1 < one.times.length && one.times[at + 1] <= time) {
        ++at;
      }
      return at < 0 ? 0 : one.values[at];
    });
  });
  return [times, ...columns];
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function options(list, width) {
  const axis = (values, size) => ({
    stroke: () => colour("muted"),
    grid: { stroke: () => colour("grid"), width: 1 },
    ticks: { stroke: () => colour("grid"), width: 1 },
    values,
    size,
  });
  return {
    width,
    height: 210,
    scales: { x: { time: false }, y: { range: (u, low, high) => [0, Math.max(1, high) * 1.05] } },
    cursor: { sync: { key: "run" }, drag: { x: false, y: false } },
    axes: [
      axis((u, ticks) => {
        const near = ticks.length > 1 ? ticks[1] - ticks[0] : 0;
        return ticks.map((tick) => timeText(tick, near));
      }, 30),
      axis((u, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? `${tick}` : "")), 44),
    ],
    series: [
      { label: "time", value: (u, value) => (value === null ? "" : timeText(value)) },
      ...list.map((one, i) => ({
        label: one.name,
        stroke: () => colour(`s${i}`),
        width: 1.6,
        paths: uPlot.paths.stepped({ align: 1 }),
        points: { show: false },
      })),
    ],
  };
}

/** The charts that replaced their pictures. */
export function drawSeries(data) {
  const charts = [];
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const list = data.series
      .filter((one) => one.chart === figure.dataset.chart)
      .sort((a, b) => Math.max(...b.values) - Math.max(...a.values))
      .slice(0, kShown);
    const picture = figure.querySelector("svg");
    const legend = figure.querySelector(".legend");
    if (list.length === 0 || picture === null) {
      continue;
    }
    const host = document.createElement("div");
    host.className = "plot";
    host.setAttribute("role", "img");
    host.setAttribute("aria-label", picture.getAttribute("aria-label") ?? "");
    picture.replaceWith(host);
    legend?.remove();
    const chart = new uPlot(options(list, host.clientWidth), joined(list, data.begin, data.end), host);
    new ResizeObserver(() =>
      chart.setSize({ width: host.clientWidth, height: 210 }),
    ).observe(host);
    charts.push(chart);
  }
  return charts;
}
