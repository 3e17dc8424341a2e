// Counts over time as stacked bars; a click chooses a bar, dragging a range.

import { clock, draw, family, FAMILY_ORDER, make, mark, number } from "./dom.js";

const HEIGHT = 136, BOTTOM = 20, TOP = 8, LEFT = 44, RIGHT = 4, BARS_MAX = 400;
const PLOT = HEIGHT - BOTTOM - TOP, GROUND = HEIGHT - BOTTOM;
const WORST_FIRST = [...FAMILY_ORDER].reverse();
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000];

/** Draw an answer of /histogram into `box`. `choose(start, end)` takes a range in milliseconds. */
export function drawHistogram(box, tip, answer, choose) {
  tip.hidden = true;
  const width = Math.max(200, box.clientWidth);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": "Records over time" });
  box.replaceChildren(svg);
  const bars = filled(answer);
  if (bars.length === 0) {
    svg.append(draw("line", { class: "axis", x1: 0, x2: width, y1: GROUND, y2: GROUND }));
    svg.append(draw("text", { class: "nothing", x: width / 2, y: HEIGHT / 2, "text-anchor": "middle" }, "No records"));
    return;
  }
  const most = Math.max(1, ...bars.map((bar) => bar.total));
  const scale = { width: (width - LEFT - RIGHT) / bars.length, most, seconds: answer.interval_s };
  drawHeights(svg, most, width);
  bars.forEach((bar, at) => drawBar(svg, bar, at, scale));
  drawTimes(svg, bars, scale, width);
  bars.forEach((bar, at) => svg.append(zone(bar, at, scale, tip, box)));
  choosable(svg, bars, scale, width, choose);
}

/** The ground, and lines at round counts. */
function drawHeights(svg, most, width) {
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [0.2, 0.5, 1, 2, 5].map((times) => times * power).find((one) => one >= 1 && most / one < 4) || 1;
  for (let count = 0; count <= most; count += step) {
    const y = GROUND - (count / most) * PLOT;
    svg.append(draw("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: y, y2: y }));
    svg.append(draw("text", { x: LEFT - 7, y: y + 4, "text-anchor": "end" }, short(count)));
  }
}

const short = (count) => (count >= 10000 ? count.toLocaleString("en-US", { notation: "compact" }) : number(count));

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

/** The worst levels stand on the ground, so that their heights compare from bar to bar. */
function drawBar(svg, one, at, scale) {
  const gap = scale.width > 5 ? 1.5 : scale.width > 2 ? 0.5 : 0;
  let bottom = GROUND;
  for (const name of WORST_FIRST) {
    const count = one.families[name];
    if (!count) continue;
    const tall = Math.max(1, (count / scale.most) * PLOT);
    bottom -= tall;
    svg.append(draw("rect", {
      class: `l-${name}`, x: LEFT + at * scale.width + gap / 2, y: bottom, height: tall,
      width: Math.max(0.5, scale.width - gap),
    }));
  }
}

/** Marks at round times of the reader's clock, where the bars follow each other without a gap. */
function drawTimes(svg, bars, scale, width) {
  const length = scale.seconds * 1000;
  const first = bars[0].start, last = bars[bars.length - 1].end;
  const isEven = last - first === bars.length * length;
  const wanted = ((last - first) / 1000) * (95 / (width - LEFT - RIGHT));
  const step = STEPS.find((one) => one >= wanted && one >= scale.seconds) || STEPS[STEPS.length - 1];
  const offset = new Date(first).getTimezoneOffset() * 60000;
  const times = [];
  for (let at = Math.ceil((first - offset) / (step * 1000)) * step * 1000 + offset; at < last && isEven; at += step * 1000) times.push(at);
  for (const time of times.length ? times : [first]) {
    const x = LEFT + ((time - first) / length) * scale.width;
    const anchor = x > width - 40 ? "end" : x < LEFT + 30 ? "start" : "middle";
    svg.append(draw("line", { class: "axis tick", x1: x, x2: x, y1: GROUND, y2: GROUND + 4 }));
    svg.append(draw("text", { x, y: HEIGHT - 3, "text-anchor": anchor }, mark(new Date(time), step)));
  }
}

function zone(one, at, scale, tip, box) {
  const area = draw("rect", { class: "zone", x: LEFT + at * scale.width, y: 0, width: scale.width, height: GROUND });
  area.addEventListener("pointerenter", () => {
    const counts = Object.entries(one.counts).sort(([a], [b]) => WORST_FIRST.indexOf(family(a)) - WORST_FIRST.indexOf(family(b)));
    const rows = counts.map(([level, count]) =>
      make("div", {}, make("span", { class: `dot l-${family(level)}` }), make("span", {}, level || "no level"), make("span", {}, number(count))));
    const time = clock(one.start).slice(0, scale.seconds >= 1 ? 19 : 23);
    tip.replaceChildren(make("b", {}, time), ...rows, make("div", { class: "sum" }, make("span", {}, "all"), make("span", {}, number(one.total))));
    tip.hidden = false;
    const x = box.offsetLeft + LEFT + at * scale.width;
    const isRight = x > box.offsetLeft + box.clientWidth / 2;
    tip.style.left = `${isRight ? x - tip.offsetWidth - 10 : x + scale.width + 10}px`;
  });
  area.addEventListener("pointerleave", () => { tip.hidden = true; });
  return area;
}

function choosable(svg, bars, scale, width, choose) {
  let from = null, shade = null;
  const place = (event) => {
    const bounds = svg.getBoundingClientRect();
    const x = ((event.clientX - bounds.left) / bounds.width) * width;
    return Math.max(0, Math.min(bars.length - 1, Math.floor((x - LEFT) / scale.width)));
  };
  svg.addEventListener("pointerdown", (event) => {
    from = place(event);
    shade = draw("rect", { class: "select", y: 0, height: GROUND });
    svg.append(shade);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const [low, high] = [from, place(event)].sort((a, b) => a - b);
    shade.setAttribute("x", LEFT + low * scale.width);
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
