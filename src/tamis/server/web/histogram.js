// Counts over time as stacked bars; dragging chooses a range.

import { draw, family, FAMILY_ORDER, make, mark, number } from "./dom.js";

const HEIGHT = 128, BOTTOM = 18, TOP = 4, BARS_MAX = 400;

/** Draw an answer of /histogram into `box`. `choose(start, end)` takes a range in milliseconds. */
export function drawHistogram(box, tip, answer, choose) {
  const width = Math.max(200, box.clientWidth);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": "Records over time" });
  box.replaceChildren(svg);
  const bars = filled(answer);
  svg.append(draw("line", { class: "axis", x1: 0, x2: width, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
  if (bars.length === 0) {
    const text = draw("text", { class: "nothing", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "No records");
    svg.append(text);
    return;
  }
  const scale = { width: width / bars.length, most: Math.max(...bars.map((bar) => bar.total)), seconds: answer.interval_s };
  bars.forEach((bar, at) => drawBar(svg, bar, at, scale));
  drawMarks(svg, bars, scale, width);
  bars.forEach((bar, at) => svg.append(zone(bar, at, scale, tip, box)));
  choosable(svg, bars, scale, width, choose);
}

/** Every interval of the time that was asked for, else from the first record to the last; those without records too. */
function filled(answer) {
  if (answer.buckets.length === 0) return [];
  const step = answer.interval_s * 1000;
  const known = new Map(answer.buckets.map((bucket) => [Date.parse(bucket.start), bucket.counts]));
  const times = [...known.keys()];
  const first = answer.start ? Math.floor(Date.parse(answer.start) / step) * step : Math.min(...times);
  const last = answer.end ? Math.floor((Date.parse(answer.end) - 1) / step) * step : Math.max(...times, ...nowOf(answer));
  const count = Math.round((last - first) / step) + 1;
  const starts = count <= BARS_MAX ? Array.from({ length: count }, (_, at) => first + at * step) : times.slice(-BARS_MAX);
  return starts.map((start) => bar(start, start + step, known.get(start) || {}));
}

/** What begins at a time and has no end goes up to now, unless records are ahead of it. */
const nowOf = (answer) => (answer.start ? [Math.floor(Date.now() / (answer.interval_s * 1000)) * answer.interval_s * 1000] : []);

function bar(start, end, counts) {
  const families = {};
  let total = 0;
  for (const [level, count] of Object.entries(counts)) {
    families[family(level)] = (families[family(level)] || 0) + count;
    total += count;
  }
  return { start, end, counts, families, total };
}

function drawBar(svg, one, at, scale) {
  const gap = scale.width > 5 ? 1.5 : scale.width > 2 ? 0.5 : 0;
  let bottom = HEIGHT - BOTTOM;
  for (const name of FAMILY_ORDER) {
    const count = one.families[name];
    if (!count) continue;
    const tall = Math.max(1, (count / scale.most) * (HEIGHT - BOTTOM - TOP));
    bottom -= tall;
    svg.append(draw("rect", {
      class: `l-${name}`, x: at * scale.width + gap / 2, y: bottom, height: tall,
      width: Math.max(0.5, Math.min(scale.width - gap, 60)),
    }));
  }
}

function drawMarks(svg, bars, scale, width) {
  const step = Math.max(1, Math.ceil(bars.length / Math.max(2, Math.floor(width / 120))));
  const span = (bars[bars.length - 1].end - bars[0].start) / 1000;
  const unit = span > 3 * 86400 ? 86400 : scale.seconds;
  let before = "";
  for (let at = 0; at < bars.length; at += step) {
    const text = mark(new Date(bars[at].start), unit);
    const isLast = at * scale.width > width - 70;
    if (text !== before) svg.append(draw("text", { x: isLast ? width : at * scale.width, y: HEIGHT - 4, "text-anchor": isLast ? "end" : "start" }, text));
    before = text;
  }
}

function zone(one, at, scale, tip, box) {
  const area = draw("rect", { class: "zone", x: at * scale.width, y: 0, width: scale.width, height: HEIGHT - BOTTOM });
  area.addEventListener("pointerenter", () => {
    const rows = Object.entries(one.counts).map(([level, count]) =>
      make("div", {}, make("span", { class: `dot l-${family(level)}` }), make("span", {}, level || "no level"), make("span", {}, number(count))));
    const start = new Date(one.start);
    tip.replaceChildren(make("b", {}, `${start.toLocaleString()}`), ...rows);
    tip.hidden = false;
    const left = box.offsetLeft + at * scale.width + scale.width + 8;
    tip.style.left = `${Math.min(left, box.offsetLeft + box.clientWidth - 160)}px`;
    tip.style.top = "40px";
  });
  area.addEventListener("pointerleave", () => { tip.hidden = true; });
  return area;
}

function choosable(svg, bars, scale, width, choose) {
  let from = null, shade = null;
  const place = (event) => {
    const bounds = svg.getBoundingClientRect();
    const x = ((event.clientX - bounds.left) / bounds.width) * width;
    return Math.max(0, Math.min(bars.length - 1, Math.floor(x / scale.width)));
  };
  svg.addEventListener("pointerdown", (event) => {
    from = place(event);
    shade = draw("rect", { class: "select", y: 0, height: HEIGHT - BOTTOM });
    svg.append(shade);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const [low, high] = [from, place(event)].sort((a, b) => a - b);
    shade.setAttribute("x", low * scale.width);
    shade.setAttribute("width", (high - low + 1) * scale.width);
  });
  svg.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [low, high] = [from, place(event)].sort((a, b) => a - b);
    from = null;
    shade.remove();
    choose(bars[low].start, bars[high].end);
  });
}
