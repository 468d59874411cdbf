// The picture of the run: lanes over time on a canvas, with zoom, filter and keyboard. Who does not
// see it walks over lanes and slices with the keyboard and hears each in words.
import { scaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { zoom, zoomIdentity } from "d3-zoom";
import { sliceText, timeText } from "./data.js";

const kLabels = 230;
const kRow = 10;
const kGap = 6;
const kHead = 26; // of a group
const kAxis = 26;
const kRight = 14;
const kBad = 5; // the kind with a form of its own

const kKeys =
  "Keys: plus and minus zoom, left and right move, home shows all, up and down choose a lane, " +
  "n and p its next and previous slice, enter zooms to it, escape lets it go.";

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  made.textContent = text;
  return made;
}

/** Black or white, whatever can be read on a colour (#rrggbb): WCAG's relative luminance. */
function inkOn(colour) {
  const parts = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  return (luminance + 0.05) ** 2 > 0.0525 ? "#000" : "#fff";
}

export class Timeline {
  constructor(host, data) {
    this.data = data;
    this.start = data.begin;
    this.span = Math.max(1, data.end - data.begin);
    this.hidden = new Set(); // groups
    this.needle = "";
    this.chosen = { lane: -1, slice: -1 };
    this.moment = null;
    this.transform = zoomIdentity;
    this.listeners = [];
    this.build(host);
    this.layOut();
    this.resize();
    new ResizeObserver(() => this.resize()).observe(this.scroller);
  }

  // --- what is there ---------------------------------------------------------------------------

  build(host) {
    host.replaceChildren();
    host.append(this.toolbar(), this.groupBoxes());
    this.scroller = element("div", { class: "lanes" });
    this.canvas = element("canvas", {
      tabindex: "0",
      role: "application",
      "aria-roledescription": "timeline",
      "aria-label": `Timeline of ${this.data.lanes.length} lanes. ${kKeys}`,
    });
    this.spacer = element("div", { class: "spacer" });
    this.scroller.append(this.canvas, this.spacer);
    this.tip = element("div", { class: "tooltip", "aria-hidden": "true" });
    this.said = element("p", { class: "said", role: "status" });
    host.append(this.scroller, this.said, this.tip, element("p", { class: "muted" }, kKeys));
    host.append(
      element("p", { class: "muted" }, "Mouse: drag moves; the wheel zooms after a click, or with Ctrl."),
    );
    this.scroller.addEventListener("scroll", () => this.draw());
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("mousemove", (event) => this.hover(event));
    this.canvas.addEventListener("mouseleave", () => (this.tip.hidden = true));
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.tip.hidden = true;
    this.zoom = zoom()
      .filter((event) => this.takes(event))
      .on("zoom", (event) => this.zoomed(event.transform));
    select(this.canvas).call(this.zoom);
  }

  toolbar() {
    const bar = element("div", { class: "toolbar", role: "group", "aria-label": "Timeline" });
    const button = (text, label, action) => {
      const made = element("button", { type: "button", "aria-label": label, title: label }, text);
      made.addEventListener("click", action);
      bar.append(made);
    };
    button("+", "Zoom in", () => this.zoomBy(2));
    button("\u2212", "Zoom out", () => this.zoomBy(0.5));
    button("\u25c0", "Earlier", () => this.moveBy(-0.25));
    button("\u25b6", "Later", () => this.moveBy(0.25));
    button("All", "Show the whole run", () => this.showAll());
    const label = element("label", {}, "Filter ");
    this.filterBox = element("input", {
      type: "search",
      placeholder: "lane, or what happens in it",
      "aria-label": "Filter lanes and slices",
    });
    this.filterBox.addEventListener("input", () => this.filter(this.filterBox.value));
    label.append(this.filterBox);
    this.range = element("span", { class: "range", "aria-live": "polite" });
    bar.append(label, this.range);
    return bar;
  }

  groupBoxes() {
    const boxes = element("fieldset", { class: "groups" });
    boxes.append(element("legend", {}, "Lanes"));
    const present = new Set(this.data.lanes.map((lane) => lane.group));
    for (const group of [...present].sort((a, b) => a - b)) {
      const label = element("label", {});
      const box = element("input", { type: "checkbox" });
      box.checked = true;
      box.addEventListener("change", () => {
        this.hidden[box.checked ? "delete" : "add"](group);
        this.layOut();
        this.draw();
      });
      label.append(box, ` ${this.data.groups[group]}`);
      boxes.append(label);
    }
    return boxes;
  }

  // --- which lanes, and where --------------------------------------------------------------------

  matches(lane) {
    if (this.needle === "" || lane.name.toLowerCase().includes(this.needle)) {
      return true;
    }
    return lane.text.some((text) => this.textMatches[text]);
  }

  layOut() {
    this.textMatches = this.data.texts.map(
      (text) => this.needle !== "" && text.toLowerCase().includes(this.needle),
    );
    this.shown = [];
    let top = 0;
    let group = -1;
    for (const lane of this.data.lanes) {
      if (this.hidden.has(lane.group) || !this.matches(lane)) {
        continue;
      }
      const named = lane.group !== group;
      top += named ? kHead : 0;
      group = lane.group;
      const height = lane.rows * kRow + kGap;
      this.shown.push({ lane, top, height, named });
      top += height;
    }
    this.height = top + kGap;
    this.chosen = { lane: -1, slice: -1 };
    const box = Math.min(Math.max(this.height + kAxis, 140), Math.max(260, innerHeight * 0.72));
    this.scroller.style.height = `${Math.ceil(box)}px`;
    this.spacer.style.height = `${Math.max(0, this.height + kAxis - Math.ceil(box))}px`;
  }

  filter(text) {
    this.needle = text.trim().toLowerCase();
    this.layOut();
    this.draw();
    this.say(`${this.shown.length} of ${this.data.lanes.length} lanes`);
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    this.width = Math.max(kLabels + 200, this.scroller.clientWidth);
    this.viewHeight = this.scroller.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.viewHeight * ratio);
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${this.viewHeight}px`;
    this.plot = this.width - kLabels - kRight;
    const most = Math.max(1, this.span / 100); // 100 ps over the whole width
    this.zoom
      .extent([
        [kLabels, 0],
        [kLabels + this.plot, this.viewHeight],
      ])
      .translateExtent([
        [kLabels, 0],
        [kLabels + this.plot, this.viewHeight],
      ])
      .scaleExtent([1, most]);
    this.base = scaleLinear([this.start, this.start + this.span], [kLabels, kLabels + this.plot]);
    this.recolour();
  }

  recolour() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colours = this.data.kinds.map(colour);
    this.inks = this.colours.map(inkOn);
    this.ink = {};
    for (const name of ["bg", "panel", "text", "muted", "line", "grid", "accent"]) {
      this.ink[name] = colour(name);
    }
    this.draw();
  }

  // --- zoom --------------------------------------------------------------------------------------

  takes(event) {
    if (event.type === "wheel") {
      return event.ctrlKey || document.activeElement === this.canvas;
    }
    return !event.button;
  }

  zoomed(transform) {
    this.transform = transform;
    this.draw();
    const [from, to] = this.visible();
    for (const listener of this.listeners) {
      listener(from, to);
    }
  }

  visible() {
    const scale = this.transform.rescaleX(this.base);
    return [scale.invert(kLabels), scale.invert(kLabels + this.plot)];
  }

  onZoom(listener) {
    this.listeners.push(listener);
  }

  zoomBy(factor) {
    select(this.canvas).call(this.zoom.scaleBy, factor, [kLabels + this.plot / 2, 0]);
  }
  moveBy(share) {
    select(this.canvas).call(this.zoom.translateBy, (-share * this.plot) / this.transform.k, 0);
  }
  showAll() {
    this.moment = null;
    select(this.canvas).call(this.zoom.transform, zoomIdentity);
  }
  show(from, to) {
    const span = Math.max(100, to - from);
    const k = Math.max(1, this.span / span);
    const x = kLabels - k * this.base(Math.max(this.start, from));
    select(this.canvas).call(this.zoom.transform, zoomIdentity.translate(x, 0).scale(k));
  }

  /** A link of the page: the surroundings of that moment, with a mark. */
  goTo(ps) {
    this.moment = ps;
    const around = Math.max(this.span / 150, 5000);
    this.show(ps - around / 2, ps + around / 2);
    this.canvas.focus({ preventScroll: true });
    this.scroller.scrollIntoView({ block: "center" });
    this.say(`The moment ${timeText(ps)}`);
  }

  // --- keyboard and mouse ------------------------------------------------------------------------

  key(event) {
    const actions = {
      "+": () => this.zoomBy(2),
      "=": () => this.zoomBy(2),
      "-": () => this.zoomBy(0.5),
      ArrowLeft: () => this.moveBy(-0.2),
      ArrowRight: () => this.moveBy(0.2),
      Home: () => this.showAll(),
      ArrowUp: () => this.chooseLane(this.chosen.lane - 1),
      ArrowDown: () => this.chooseLane(this.chosen.lane + 1),
      n: () => this.chooseSlice(this.chosen.slice + 1),
      p: () => this.chooseSlice(this.chosen.slice - 1),
      Enter: () => this.zoomToChosen(),
      Escape: () => this.choose(-1, -1),
    };
    const action = actions[event.key];
    if (action !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      action();
    }
  }

  choose(lane, slice) {
    this.chosen = { lane, slice };
    this.draw();
  }

  chooseLane(index) {
    if (this.shown.length === 0) {
      return;
    }
    const lane = Math.min(this.shown.length - 1, Math.max(0, index));
    const at = this.shown[lane];
    if (at.top < this.scroller.scrollTop || at.top + at.height > this.scroller.scrollTop + this.viewHeight - kAxis) {
      this.scroller.scrollTop = Math.max(0, at.top - this.viewHeight / 2);
    }
    this.choose(lane, -1);
    this.say(`${this.data.groups[at.lane.group]}, lane ${at.lane.name}, ${at.lane.count} slices`);
  }

  chooseSlice(index) {
    if (this.chosen.lane < 0) {
      this.chooseLane(0);
    }
    const { lane } = this.shown[this.chosen.lane] ?? {};
    if (lane === undefined || lane.count === 0) {
      return;
    }
    let slice = Math.min(lane.count - 1, Math.max(0, index));
    if (this.chosen.slice < 0) {
      // The first that can be seen.
      const [from] = this.visible();
      while (slice + 1 < lane.count && lane.begin[slice] + lane.length[slice] < from) {
        ++slice;
      }
    }
    this.choose(this.chosen.lane, slice);
    const [from, to] = this.visible();
    if (lane.begin[slice] > to || lane.begin[slice] + lane.length[slice] < from) {
      const half = (to - from) / 2;
      this.show(lane.begin[slice] - half, lane.begin[slice] + half);
    }
    this.say(sliceText(this.data, lane, slice));
  }

  zoomToChosen() {
    const { lane } = this.shown[this.chosen.lane] ?? {};
    if (lane === undefined || this.chosen.slice < 0) {
      return;
    }
    const begin = lane.begin[this.chosen.slice];
    const length = Math.max(1000, lane.length[this.chosen.slice]);
    this.show(begin - length, begin + 2 * length);
  }

  /** Lane and slice under a point of the canvas. */
  at(x, y) {
    const top = y - kAxis + this.scroller.scrollTop;
    const index = this.shown.findIndex((s) => top >= s.top && top < s.top + s.height);
    if (index < 0 || y < kAxis) {
      return null;
    }
    const { lane, top: laneTop } = this.shown[index];
    const scale = this.transform.rescaleX(this.base);
    const time = scale.invert(x);
    const near = scale.invert(x + 4) - time;
    let best = -1;
    let distance = near;
    for (let i = 0; i < lane.count && lane.begin[i] <= time + near; ++i) {
      const row = laneTop + lane.row[i] * kRow;
      if (top < row - 1 || top > row + kRow) {
        continue;
      }
      const off = Math.max(lane.begin[i] - time, time - lane.begin[i] - lane.length[i], 0);
      if (off <= distance) {
        best = i;
        distance = off;
      }
    }
    return { index, lane, slice: best };
  }

  hover(event) {
    const found = this.at(event.offsetX, event.offsetY);
    this.tip.hidden = found === null || found.slice < 0 || event.offsetX < kLabels;
    if (!this.tip.hidden) {
      this.tip.textContent = `${found.lane.name}: ${sliceText(this.data, found.lane, found.slice)}`;
      const left = Math.min(event.clientX + 14, innerWidth - this.tip.offsetWidth - 8);
      this.tip.style.left = `${Math.max(4, left)}px`;
      this.tip.style.top = `${event.clientY + 16}px`;
    }
  }

  click(event) {
    const found = this.at(event.offsetX, event.offsetY);
    if (found !== null) {
      this.choose(found.index, found.slice);
      this.say(
        found.slice < 0
          ? found.lane.name
          : `${found.lane.name}: ${sliceText(this.data, found.lane, found.slice)}`,
      );
    }
  }

  say(text) {
    this.said.textContent = text;
  }

  // --- drawing -----------------------------------------------------------------------------------

  draw() {
    if (this.colours === undefined) {
      return;
    }
    const ratio = devicePixelRatio || 1;
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, this.width, this.viewHeight);
    g.font = '11px system-ui, "DejaVu Sans", sans-serif';
    g.textBaseline = "middle";
    const scale = this.transform.rescaleX(this.base);
    const ticks = scale.ticks(Math.max(3, this.plot / 130));
    this.drawLanes(g, scale, ticks);
    this.drawAxis(g, scale, ticks);
    this.drawMoment(g, scale);
    const [from, to] = this.visible();
    this.range.textContent = `${timeText(Math.max(0, from), (to - from) / 100)} to ${timeText(to, (to - from) / 100)}`;
  }

  drawAxis(g, scale, ticks) {
    g.fillStyle = this.ink.bg;
    g.fillRect(0, 0, this.width, kAxis - 0.5);
    g.textAlign = "center";
    g.fillStyle = this.ink.muted;
    const [from, to] = this.visible();
    for (const tick of ticks) {
      g.fillText(timeText(tick, (to - from) / 100), scale(tick), kAxis / 2);
    }
    this.line(g, this.ink.line, 0, kAxis - 0.5, this.width, kAxis - 0.5);
  }

  line(g, colour, x1, y1, x2, y2) {
    g.strokeStyle = colour;
    g.beginPath();
    g.moveTo(x1, y1);
    g.lineTo(x2, y2);
    g.stroke();
  }

  // Stripes, the grid on them, slices on that.
  drawLanes(g, scale, ticks) {
    const scroll = this.scroller.scrollTop;
    const seen = this.shown
      .map((at, index) => ({ ...at, index, y: at.top - scroll + kAxis }))
      .filter(({ y, height }) => y <= this.viewHeight && y + height >= -kHead);
    for (const { index, y, height } of seen) {
      if (index === this.chosen.lane || index % 2 === 0) {
        g.fillStyle = index === this.chosen.lane ? this.ink.grid : this.ink.panel;
        g.fillRect(0, y - kGap / 2, this.width, height);
      }
    }
    for (const tick of ticks) {
      const x = Math.round(scale(tick)) + 0.5;
      this.line(g, this.ink.grid, x, kAxis, x, this.viewHeight);
    }
    for (const { index, y, named, lane } of seen) {
      if (named) {
        g.fillStyle = this.ink.text;
        g.textAlign = "left";
        g.font = 'bold 12px system-ui, "DejaVu Sans", sans-serif';
        g.fillText(this.data.groups[lane.group], 6, y - 10);
        g.font = '11px system-ui, "DejaVu Sans", sans-serif';
      }
      this.drawSlices(g, scale, lane, y, index);
      this.drawLabel(g, lane.name, y + kRow / 2);
    }
  }

  drawLabel(g, name, y) {
    g.fillStyle = this.ink.text;
    g.textAlign = "right";
    let text = name;
    while (text.length > 6 && g.measureText(text).width > kLabels - 16) {
      text = `${text.slice(0, -4)}\u2026`;
    }
    g.fillText(text, kLabels - 8, y);
  }

  drawSlices(g, scale, lane, y, index) {
    const right = kLabels + this.plot;
    g.save();
    g.beginPath();
    g.rect(kLabels, 0, this.plot + 1, this.viewHeight);
    g.clip();
    for (let i = 0; i < lane.count; ++i) {
      const x = scale(lane.begin[i]);
      if (x > right) {
        break; // sorted by begin
      }
      const width = Math.max(1.4, scale(lane.begin[i] + lane.length[i]) - x);
      if (x + width < kLabels) {
        continue;
      }
      const top = y + lane.row[i] * kRow;
      const dim = this.needle !== "" && !this.textMatches[lane.text[i]] &&
        !lane.name.toLowerCase().includes(this.needle);
      g.globalAlpha = dim ? 0.15 : 1;
      g.fillStyle = this.colours[lane.kind[i]];
      if (lane.kind[i] === kBad && lane.length[i] === 0) {
        g.beginPath();
        g.moveTo(x, top);
        g.lineTo(x + 4, top + kRow - 1);
        g.lineTo(x - 4, top + kRow - 1);
        g.fill();
      } else {
        g.fillRect(x, top, width > 4 ? width - 1 : width, kRow - 1);
      }
      if (index === this.chosen.lane && i === this.chosen.slice) {
        g.strokeStyle = this.ink.text;
        g.lineWidth = 2;
        g.strokeRect(x - 1, top - 1, width + 2, kRow + 1);
        g.lineWidth = 1;
      }
      if (width > 46 && !dim) {
        this.drawSliceText(g, lane, i, Math.max(x, kLabels), Math.min(x + width, right), top);
      }
    }
    g.restore();
  }

  drawSliceText(g, lane, i, left, right, top) {
    let text = this.data.texts[lane.text[i]];
    text += lane.number[i] >= 0 ? ` ${lane.number[i]}` : "";
    const width = right - left - 4;
    if (text === "" || width < 30) {
      return;
    }
    g.save();
    g.beginPath();
    g.rect(left + 2, top, width, kRow - 1);
    g.clip();
    g.fillStyle = this.inks[lane.kind[i]];
    g.font = '9px system-ui, "DejaVu Sans", sans-serif';
    g.textAlign = "left";
    g.fillText(text, left + 4, top + kRow / 2 - 0.5);
    g.restore();
  }

  drawMoment(g, scale) {
    if (this.moment === null) {
      return;
    }
    const x = scale(this.moment);
    if (x < kLabels || x > kLabels + this.plot) {
      return;
    }
    g.setLineDash([5, 3]);
    g.lineWidth = 2;
    this.line(g, this.ink.accent, x, kAxis - 6, x, this.viewHeight);
    g.setLineDash([]);
    g.lineWidth = 1;
  }
}
