// Geometry: between places on the screen and data pixels, and which tiles are in view.
//
// A view is {x, y, scale}: the data pixel in the middle of a panel and the screen pixels
// per data pixel. Row 0 is at the bottom. An integer is the centre of a pixel.

export const TILE = 256;
export const MOST_ZOOM = 128;

/** Data pixel (floats) at a place of a panel, from its top left corner. */
export function toPixel(view, size, px, py) {
  return {
    x: view.x + (px - size.width / 2) / view.scale,
    y: view.y - (py - size.height / 2) / view.scale,
  };
}

/** Place in a panel of a data pixel. */
export function toScreen(view, size, x, y) {
  return {
    px: size.width / 2 + (x - view.x) * view.scale,
    py: size.height / 2 - (y - view.y) * view.scale,
  };
}

/** The view in which a whole image fills a panel, with a little air. */
export function fitView(shape, size) {
  const room = Math.min(size.width / shape.nx, size.height / shape.ny);
  return { x: (shape.nx - 1) / 2, y: (shape.ny - 1) / 2, scale: room };
}

/** Zoom by a factor; the data pixel under the pointer stays there. */
export function zoomAbout(view, size, px, py, factor, least) {
  const scale = Math.min(MOST_ZOOM, Math.max(least, view.scale * factor));
  const at = toPixel(view, size, px, py);
  return {
    x: at.x - (px - size.width / 2) / scale,
    y: at.y + (py - size.height / 2) / scale,
    scale,
  };
}

/** Move the view by screen pixels, and keep some of the image in sight. */
export function panBy(view, shape, dx, dy) {
  return keepInSight({ ...view, x: view.x - dx / view.scale, y: view.y + dy / view.scale }, shape);
}

/** The same view with its centre on the image. */
export function keepInSight(view, shape) {
  return {
    x: Math.min(shape.nx - 0.5, Math.max(-0.5, view.x)),
    y: Math.min(shape.ny - 0.5, Math.max(-0.5, view.y)),
    scale: view.scale,
  };
}

/** The level whose pixels are just not larger than those of the screen. */
export function levelFor(scale, ratio, levels) {
  const wanted = Math.floor(Math.log2(1 / (scale * ratio)) + 1e-9);
  return Math.min(levels - 1, Math.max(0, wanted));
}

/** What a panel shows, [x0, y0, x1, y1] in data pixels, cut at the image; null if nothing. */
export function visibleRect(view, size, shape) {
  const a = toPixel(view, size, 0, size.height);
  const b = toPixel(view, size, size.width, 0);
  const rect = [
    Math.max(-0.5, a.x), Math.max(-0.5, a.y),
    Math.min(shape.nx - 0.5, b.x), Math.min(shape.ny - 0.5, b.y),
  ];
  return rect[0] < rect[2] && rect[1] < rect[3] ? rect : null;
}

/** Whole pixels in view, [y0, y1, x0, x1], ends not included. */
export function visibleBlock(rect) {
  const [x0, y0, x1, y1] = rect;
  return [
    Math.floor(y0 + 0.5), Math.ceil(y1 + 0.5), Math.floor(x0 + 0.5), Math.ceil(x1 + 0.5),
  ];
}

/** Pixels along a side at a level. */
export function levelSide(n, level) {
  return Math.ceil(n / 2 ** level);
}

/** Tiles of a level that a rectangle touches: rows i0..i1 and columns j0..j1. */
export function tileRange(rect, shape, level) {
  const span = TILE * 2 ** level;
  const last = (n) => Math.ceil(levelSide(n, level) / TILE) - 1;
  const index = (at, n) => Math.min(last(n), Math.max(0, Math.floor((at + 0.5) / span)));
  // A hair less at the far end: a tile that only touches the edge is not in view.
  return {
    i0: index(rect[1], shape.ny), i1: index(rect[3] - 1e-6, shape.ny),
    j0: index(rect[0], shape.nx), j1: index(rect[2] - 1e-6, shape.nx),
  };
}

/** Does a tile of a level touch a block [y0, y1, x0, x1] of data pixels? */
export function tileTouches(level, i, j, block) {
  const span = TILE * 2 ** level;
  const [y0, y1, x0, x1] = block;
  return y0 < (i + 1) * span && y1 > i * span && x0 < (j + 1) * span && x1 > j * span;
}

/** Where the lower left corner of the image lies, in whole pixels of the canvas. */
export function originOf(view, size, ratio) {
  const corner = toScreen(view, size, -0.5, -0.5);
  return { x: Math.round(corner.px * ratio), y: Math.round(corner.py * ratio) };
}

/**
 * What to copy of a tile, and where to: whole pixels of the canvas, so that neighbours
 * share their edges. Only what is in sight, so that huge zooms stay cheap.
 */
export function placeTile(origin, zoom, canvas, level, i, j, tile) {
  const step = zoom * 2 ** level;
  const left = j * TILE;
  const low = i * TILE;
  const c0 = Math.max(0, Math.floor(-origin.x / step) - left - 1);
  const c1 = Math.min(tile.nx, Math.ceil((canvas.width - origin.x) / step) - left + 1);
  const r0 = Math.max(0, Math.floor((origin.y - canvas.height) / step) - low - 1);
  const r1 = Math.min(tile.ny, Math.ceil(origin.y / step) - low + 1);
  if (c0 >= c1 || r0 >= r1) return null;
  const x0 = origin.x + Math.round((left + c0) * step);
  const x1 = origin.x + Math.round((left + c1) * step);
  const y0 = origin.y - Math.round((low + r1) * step);
  const y1 = origin.y - Math.round((low + r0) * step);
  // Tile canvases have their first row at the top.
  const from = { sx: c0, sy: tile.ny - r1, sw: c1 - c0, sh: r1 - r0 };
  return { ...from, x: x0, y: y0, w: x1 - x0, h: y1 - y0 };
}
