// The data of the page: lanes of slices and series of values, as tools/cli/report wrote them
// (run_data.cpp): flat lists, times as differences.

/** A lane with one array a property of its slices; slice i is at i in each. */
function lane(raw) {
  const count = raw.slices.length / 7;
  const out = {
    group: raw.group,
    name: raw.name,
    rows: raw.rows,
    step: raw.step,
    count,
    begin: new Float64Array(count),
    length: new Float64Array(count),
    kind: new Uint8Array(count),
    row: new Uint8Array(count),
    text: new Uint32Array(count),
    number: new Float64Array(count),
    times: new Float64Array(count),
  };
  let begin = 0;
  for (let i = 0; i < count; ++i) {
    const at = i * 7;
    begin += raw.slices[at];
    out.begin[i] = begin;
    out.length[i] = raw.slices[at + 1];
    out.kind[i] = raw.slices[at + 2];
    out.row[i] = raw.slices[at + 3];
    out.text[i] = raw.slices[at + 4];
    out.number[i] = raw.slices[at + 5];
    out.times[i] = raw.slices[at + 6];
  }
  return out;
}

/** Points as [time, value]; where a value rose and fell within one step, both. */
function series(raw) {
  const times = [];
  const values = [];
  let time = 0;
  for (let i = 0; i < raw.points.length; i += 3) {
    time += raw.points[i];
    times.push(time);
    values.push(raw.points[i + 1]);
    if (raw.points[i + 2] !== raw.points[i + 1]) {
      times.push(time + 1);
      values.push(raw.points[i + 2]);
    }
  }
  return { chart: raw.chart, name: raw.name, times, values };
}

export function readData(element) {
  const raw = JSON.parse(element.textContent);
  if (raw.lanes === undefined) {
    return null;
  }
  return { ...raw, lanes: raw.lanes.map(lane), series: raw.series.map(series) };
}

const kUnits = [
  ["s", 1e12],
  ["ms", 1e9],
  ["us", 1e6],
  ["ns", 1e3],
  ["ps", 1],
];

/** "12.345 us"; with `near`, as many digits as tell apart times that lie so near. */
export function timeText(ps, near = 0) {
  if (ps === 0) {
    return "0";
  }
  const unit = kUnits.find(([, factor]) => ps >= factor) ?? kUnits[4];
  if (near <= 0) {
    // As the page writes times.
    const text = (Math.round((ps * 1000) / unit[1]) / 1000).toFixed(unit[1] === 1 ? 0 : 3);
    return `${text} ${unit[0]}`;
  }
  const digits = Math.max(0, Math.ceil(Math.log10(unit[1] / near)));
  const text = (ps / unit[1]).toFixed(Math.min(12, digits));
  return `${text.includes(".") ? text.replace(/\.?0+$/, "") : text} ${unit[0]}`;
}

/** A slice in words. */
export function sliceText(data, lane, i) {
  let text = data.texts[lane.text[i]];
  if (lane.number[i] >= 0) {
    text += ` ${lane.number[i]}`;
  }
  const what = text === "" ? data.kinds[lane.kind[i]] : text;
  const many = lane.times[i] > 1 ? `${lane.times[i]} together: ` : "";
  const took = lane.length[i] > 0 ? `, ${timeText(lane.length[i])} long` : "";
  return `${many}${what} at ${timeText(lane.begin[i])}${took}`;
}
