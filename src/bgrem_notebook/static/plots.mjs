// Plots: curves with error bars and small images, as SVG that follows the theme.
import { chooseTicks } from "./numbers.mjs";
import { make } from "./dom.mjs";
import { RESIDUAL_MAP, badWord, makeTable, paint } from "./colour.mjs";
import { shortNumber } from "./numbers.mjs";

const WIDTH = 340;
const HEIGHT = 210;
const BOX = { left: 52, right: 10, top: 12, bottom: 34 };
const REST = { contrast: 1, bias: 0.5 };

/** A figure from a plot of the protocol. */
export function makePlot(plot) {
  return plot.image ? imagePlot(plot) : curvePlot(plot);
}

/** Positions of an axis from data to the drawing. */
export function makeScale([low, high], [from, to]) {
  return (value) => from + ((value - low) / (high - low)) * (to - from);
}

/** Ends of an axis with room at both, apart in any case. */
export function axisEnds(values, { zero = false, share = 0.06 } = {}) {
  const good = values.filter((v) => v !== null && v !== undefined && Number.isFinite(v));
  if (zero) good.push(0);
  if (!good.length) return [0, 1];
  // Not by spread: a histogram may have very many points.
  let low = Infinity;
  let high = -Infinity;
  for (const value of good) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const gap = high > low ? (high - low) * share : Math.abs(high) * 0.1 || 1;
  return [low - gap, high + gap];
}

function curvePlot(plot) {
  const curves = plot.curves || [];
  const all = (pick) => curves.flatMap((curve) => pick(curve) || []);
  const xs = axisEnds(all((c) => c.x), { share: plot.names ? 0.12 : 0.03 });
  const heights = [...all((c) => c.y), ...all((c) => c.low), ...all((c) => c.high)];
  const ys = axisEnds(heights, { zero: plot.zero });
  if (plot.top > ys[0]) ys[1] = plot.top;
  const x = makeScale(xs, [BOX.left, WIDTH - BOX.right]);
  const y = makeScale(ys, [HEIGHT - BOX.bottom, BOX.top]);
  const svg = draw("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "bg-plot", role: "img",
    "aria-label": `${plot.title}: ${curves.map((c) => c.name).join(", ")}`,
  });
  axes(svg, plot, { x, y, xs, ys });
  if (inside(plot.mark, xs)) {
    svg.append(draw("line", {
      x1: x(plot.mark), x2: x(plot.mark), y1: BOX.top, y2: HEIGHT - BOX.bottom,
      class: "bg-mark",
    }));
  }
  // An inner drawing cuts off what rises above the axis.
  const [wide, high] = [WIDTH - BOX.left - BOX.right, HEIGHT - BOX.top - BOX.bottom];
  const area = draw("svg", {
    x: BOX.left, y: BOX.top - 2, width: wide, height: high + 4,
    viewBox: `${BOX.left} ${BOX.top - 2} ${wide} ${high + 4}`,
  });
  svg.append(area);
  for (const curve of curves) drawCurve(area, curve, x, y);
  return figure(plot.title, svg, curves.length > 1 ? legend(curves) : null);
}

function axes(svg, plot, { x, y, xs, ys }) {
  const [right, bottom] = [WIDTH - BOX.right, HEIGHT - BOX.bottom];
  const up = chooseTicks(ys[0], ys[1], 5);
  up.values.forEach((value, k) => {
    const at = y(value);
    svg.append(draw("line", { x1: BOX.left, x2: right, y1: at, y2: at, class: "bg-grid" }));
    svg.append(write(up.labels[k], BOX.left - 5, at + 3.5, "end"));
  });
  if (plot.zero && inside(0, ys)) {
    svg.append(draw("line", { x1: BOX.left, x2: right, y1: y(0), y2: y(0), class: "bg-zero" }));
  }
  const across = plot.names
    ? { values: plot.names.map((_, k) => k), labels: plot.names, factor: "" }
    : chooseTicks(xs[0], xs[1], 7);
  across.values.forEach((value, k) => {
    const at = x(value);
    svg.append(draw("line", { x1: at, x2: at, y1: bottom, y2: bottom + 4, class: "bg-tick" }));
    svg.append(write(across.labels[k], at, bottom + 15, "middle"));
  });
  svg.append(draw("path", {
    d: `M${BOX.left},${BOX.top}V${bottom}H${right}`, class: "bg-axis",
  }));
  const unit = (label, factor) => [label, factor && `× ${factor}`].filter(Boolean).join(" ");
  const middle = (BOX.left + right) / 2;
  svg.append(write(unit(plot.x_label, across.factor), middle, HEIGHT - 4, "middle"));
  const side = write(unit(plot.y_label, up.factor), 0, 0, "middle");
  side.setAttribute("transform", `translate(9 ${(BOX.top + bottom) / 2}) rotate(-90)`);
  svg.append(side);
}

function drawCurve(svg, curve, x, y) {
  const role = roleOf(curve);
  const good = (v) => v !== null && v !== undefined && Number.isFinite(v);
  const group = draw("g", { class: `bg-curve bg-${role}` });
  const both = curve.low && curve.high;
  if (curve.points) {
    curve.x.forEach((value, k) => {
      if (!good(value) || !good(curve.y[k])) return;
      if (both && good(curve.low[k]) && good(curve.high[k])) {
        group.append(draw("line", {
          x1: x(value), x2: x(value), y1: y(curve.low[k]), y2: y(curve.high[k]),
        }));
      }
      group.append(marker(role, x(value), y(curve.y[k])));
    });
  } else {
    if (both) {
      const there = curve.x.map((v, k) => `${x(v)},${y(curve.low[k])}`);
      const back = curve.x.map((v, k) => `${x(v)},${y(curve.high[k])}`).reverse();
      group.append(draw("polygon", { points: [...there, ...back].join(" ") }));
    }
    let path = "";
    let pen = "M";
    curve.x.forEach((value, k) => {
      if (!good(value) || !good(curve.y[k])) {
        pen = "M";
        return;
      }
      path += `${pen}${x(value).toFixed(2)},${y(curve.y[k]).toFixed(2)}`;
      pen = "L";
    });
    group.append(draw("path", { d: path }));
  }
  svg.append(group);
}

/** Points are told apart by their shapes too. */
function marker(role, px, py) {
  if (role === "cleaned") {
    return draw("rect", { x: px - 3.2, y: py - 3.2, width: 6.4, height: 6.4, class: "bg-point" });
  }
  if (role === "residual") {
    const d = `M${px},${py - 4.4}l4.4,4.4l-4.4,4.4l-4.4,-4.4z`;
    return draw("path", { d, class: "bg-point" });
  }
  return draw("circle", { cx: px, cy: py, r: 3.4, class: "bg-point" });
}

function legend(curves) {
  const list = make("div", { class: "bg-legend" });
  for (const curve of curves) {
    const svg = draw("svg", { viewBox: "0 0 26 10", width: 26, height: 10 });
    const role = roleOf(curve);
    const group = draw("g", { class: `bg-curve bg-${role}` });
    group.append(curve.points ? marker(role, 13, 5) : draw("path", { d: "M1,5H25" }));
    svg.append(group);
    list.append(make("span", {}, svg, curve.name));
  }
  return list;
}

function imagePlot(plot) {
  const { ny, nx, values, limit } = plot.image;
  const numbers = Float32Array.from(values, (v) => (v === null ? NaN : v));
  const reach = limit > 0 ? limit : 1;
  const canvas = pixelCanvas(numbers, ny, nx, [-reach, reach], "linear", RESIDUAL_MAP);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", plot.title);
  const ends = [-reach, 0, reach].map((v) => make("span", { text: shortNumber(v, 2) }));
  const bar = make("div", { class: "bg-mini" });
  const unit = make("div", { class: "bg-unit", text: plot.unit || "" });
  return figure(
    plot.title, canvas, bar, make("div", { class: "bg-ticks" }, ...ends), unit,
  );
}

/** Values as a canvas, one pixel each; the page enlarges it without blur. */
export function pixelCanvas(values, ny, nx, limits, stretch, map, canvas = make("canvas")) {
  canvas.width = nx;
  canvas.height = ny;
  canvas.classList.add("bg-cut");
  const context = canvas.getContext("2d");
  const data = context.createImageData(nx, ny);
  const table = makeTable(stretch, map, false, REST);
  paint(values, ny, nx, limits, table, badWord(true), new Uint32Array(data.data.buffer));
  context.putImageData(data, 0, 0);
  return canvas;
}

function figure(title, ...parts) {
  return make("figure", { class: "bg-figure" }, make("figcaption", { text: title }), ...parts);
}

function roleOf(curve) {
  return ["original", "cleaned", "residual"].includes(curve.role) ? curve.role : "other";
}

function inside(value, [low, high]) {
  return value !== null && value !== undefined && value >= low && value <= high;
}

function draw(tag, attributes) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function write(text, x, y, anchor) {
  const node = draw("text", { x, y, "text-anchor": anchor });
  node.textContent = text;
  return node;
}
