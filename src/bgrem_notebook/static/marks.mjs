// Marks: what is drawn over the pixels, with a dark edge so that it is seen on white too.
import { roundLength } from "./numbers.mjs";
import { toScreen } from "./geometry.mjs";

/** How each kind of source is drawn: by colour and by dash, never by colour alone. */
export const KINDS = [
  { label: "sources", colour: "#56beff", dash: [] },
  { label: "found, real", colour: "#3cc85a", dash: [] },
  { label: "missed", colour: "#f5d732", dash: [5, 3] },
  { label: "found, not real", colour: "#f0463c", dash: [2, 3] },
];

const EDGE = "rgba(0, 0, 0, 0.62)";
const WHITE = "#ffffff";
const LEAST_RADIUS = 3.5;
/** Above this many rings the dark edges are left out: they cost half of the time. */
const MANY = 1500;
const PIXELS = [0, 1, 2, 3, 4].flatMap((p) => [1, 2, 5].map((m) => m * 10 ** p));
const ARCSECONDS = [0.1, 0.2, 0.5].concat(
  [1, 60, 3600].flatMap((unit) => [1, 2, 5, 10, 20, 30].map((m) => m * unit)),
);

/** Radius on the screen of a source's ring. */
export function ringRadius(radius, scale) {
  return Math.max(LEAST_RADIUS, radius * scale);
}

/** Which of the first n sources has its ring at a place of a panel, or null. */
export function sourceAt(sources, n, view, size, px, py) {
  if (!sources) return null;
  let best = null;
  let nearest = Infinity;
  for (let k = 0; k < n; k += 1) {
    const at = toScreen(view, size, sources.x[k], sources.y[k]);
    const reach = Math.min(14, Math.max(7, sources.r[k] * view.scale));
    const distance = Math.hypot(at.px - px, at.py - py);
    if (distance <= reach && distance < nearest) [best, nearest] = [k, distance];
  }
  return best;
}

/** Rings of all sources in sight. */
export function drawSources(context, sources, selected, view, size) {
  const paths = KINDS.map(() => ({ path: new Path2D(), count: 0 }));
  for (let k = 0; k < sources.n; k += 1) {
    const { px, py } = toScreen(view, size, sources.x[k], sources.y[k]);
    const radius = ringRadius(sources.r[k], view.scale);
    const hidden = px < -radius || py < -radius || px > size.width + radius
      || py > size.height + radius;
    if (hidden) continue;
    const kind = paths[sources.kind[k]] || paths[0];
    kind.count += 1;
    kind.path.moveTo(px + radius, py);
    kind.path.arc(px, py, radius, 0, 2 * Math.PI);
  }
  const many = paths.reduce((sum, kind) => sum + kind.count, 0) > MANY;
  paths.forEach(({ path, count }, k) => {
    if (count) stroke(context, path, KINDS[k].colour, 1.4, KINDS[k].dash, !many);
  });
  if (selected === null || selected >= sources.n) return;
  const { px, py } = toScreen(view, size, sources.x[selected], sources.y[selected]);
  const path = new Path2D();
  path.arc(px, py, ringRadius(sources.r[selected], view.scale) + 4, 0, 2 * Math.PI);
  stroke(context, path, WHITE, 2.5);
}

/** The aperture that was measured and the ring that the sky was taken from. */
export function drawSeen(context, seen, view, size) {
  const { px, py } = toScreen(view, size, seen.x, seen.y);
  const circle = (radius) => {
    const path = new Path2D();
    path.arc(px, py, radius * view.scale, 0, 2 * Math.PI);
    return path;
  };
  if (seen.radius > 0) stroke(context, circle(seen.radius), WHITE, 1.8);
  for (const radius of seen.ring || []) {
    if (radius > 0) stroke(context, circle(radius), WHITE, 1.2, [4, 4]);
  }
  if (!seen.found) drawCross(context, px, py, 3, 9);
}

/** A small cross with a hole in its middle. */
export function drawCross(context, px, py, inner = 4, outer = 11) {
  const path = new Path2D();
  for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
    path.moveTo(px + x * inner, py + y * inner);
    path.lineTo(px + x * outer, py + y * outer);
  }
  stroke(context, path, WHITE, 1.5);
}

/** How long the scale bar is and what it says. */
export function scaleBar(scale, arcsec, most) {
  if (!(arcsec > 0)) {
    const length = roundLength(most / scale, PIXELS);
    return { width: length * scale, text: `${length} pix` };
  }
  const length = roundLength((most / scale) * arcsec, ARCSECONDS);
  let text = `${length} arcsec`;
  if (length >= 3600) text = `${length / 3600} deg`;
  else if (length >= 60) text = `${length / 60} arcmin`;
  return { width: (length / arcsec) * scale, text };
}

/** Scale bar in the lower left corner. */
export function drawScaleBar(context, view, size, arcsec) {
  const bar = scaleBar(view.scale, arcsec, Math.min(140, size.width / 3));
  if (!(bar.width > 8 && bar.width < size.width)) return;
  const y = size.height - 13;
  const path = new Path2D();
  path.moveTo(12, y - 4);
  path.lineTo(12, y);
  path.lineTo(12 + bar.width, y);
  path.lineTo(12 + bar.width, y - 4);
  stroke(context, path, WHITE, 1.6);
  writeText(context, bar.text, 12 + bar.width / 2, y - 6, "center");
}

/** North and east in the lower right corner. */
export function drawCompass(context, compass, size) {
  const length = 22;
  const [x, y] = [size.width - 36, size.height - 36];
  for (const [name, [dx, dy]] of [["N", compass.north], ["E", compass.east]]) {
    const [tx, ty] = [x + dx * length, y - dy * length];
    const path = new Path2D();
    path.moveTo(x, y);
    path.lineTo(tx, ty);
    // Only north has a head: the two are told apart without their letters.
    if (name === "N") {
      for (const side of [2.6, -2.6]) {
        const angle = Math.atan2(-dy, dx) + side;
        path.moveTo(tx, ty);
        path.lineTo(tx + 6 * Math.cos(angle), ty + 6 * Math.sin(angle));
      }
    }
    stroke(context, path, WHITE, 1.4);
    writeText(context, name, x + dx * (length + 9), y - dy * (length + 9) + 4, "center");
  }
}

/** The line between two images, with a grip and what lies on either side. */
export function drawDivider(context, at, size, words) {
  const path = new Path2D();
  path.moveTo(at, 0);
  path.lineTo(at, size.height);
  stroke(context, path, WHITE, 1.5);
  const grip = new Path2D();
  const y = size.height / 2;
  for (const side of [-1, 1]) {
    grip.moveTo(at + side * 5, y - 5);
    grip.lineTo(at + side * 10, y);
    grip.lineTo(at + side * 5, y + 5);
  }
  stroke(context, grip, WHITE, 2);
  if (at > 60) writeText(context, words[0], at - 8, 16, "right");
  if (size.width - at > 60) writeText(context, words[1], at + 8, 16);
}

/** Small text over pixels. */
export function writeText(context, text, x, y, align = "left") {
  context.font = "11px system-ui, sans-serif";
  context.textAlign = align;
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.setLineDash([]);
  context.strokeStyle = EDGE;
  context.strokeText(text, x, y);
  context.fillStyle = WHITE;
  context.fillText(text, x, y);
}

function stroke(context, path, colour, width, dash = [], edge = true) {
  context.lineCap = "butt";
  context.setLineDash([]);
  if (edge) {
    context.lineWidth = width + (dash.length ? 1 : 2);
    context.strokeStyle = EDGE;
    context.stroke(path);
  }
  // Dashes lie on a whole dark line: their gaps are seen on any ground.
  context.setLineDash(dash);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke(path);
}
