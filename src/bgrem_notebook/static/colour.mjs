// Colour: which number becomes which colour. The curves and maps of the core's display.

export const TABLE = 4096;
/** Pixels without a number: a violet that no map contains. */
export const BAD = [110, 60, 130];

export const STRETCHES = {
  linear: { forth: (t) => t, back: (t) => t },
  asinh: {
    forth: (t) => Math.asinh(25 * t) / Math.asinh(25),
    back: (t) => Math.sinh(t * Math.asinh(25)) / 25,
  },
  log: {
    forth: (t) => Math.log1p(1000 * t) / Math.log1p(1000),
    back: (t) => Math.expm1(t * Math.log1p(1000)) / 1000,
  },
  sqrt: { forth: Math.sqrt, back: (t) => t * t },
};

const STOPS = {
  grey: [[0, 0, 0], [255, 255, 255]],
  viridis: [
    [68, 1, 84], [72, 24, 106], [71, 45, 123], [66, 64, 134], [59, 82, 139], [51, 99, 141],
    [44, 114, 142], [38, 130, 142], [33, 145, 140], [31, 160, 136], [40, 174, 128],
    [63, 188, 115], [94, 201, 98], [132, 212, 75], [173, 220, 48], [216, 226, 25],
    [253, 231, 37],
  ],
  cividis: [
    [0, 34, 78], [0, 46, 106], [26, 56, 111], [50, 67, 109], [67, 78, 108], [83, 90, 109],
    [97, 101, 111], [111, 112, 115], [125, 124, 120], [140, 136, 120], [155, 148, 118],
    [171, 160, 114], [188, 174, 108], [205, 187, 99], [222, 201, 88], [240, 216, 70],
    [254, 232, 56],
  ],
  "blue-white-orange": [
    [8, 48, 107], [66, 146, 198], [247, 247, 247], [230, 133, 40], [127, 54, 4],
  ],
};

/** Maps that a person can choose; the residual has its own. */
export const MAPS = ["grey", "viridis", "cividis"];
export const RESIDUAL_MAP = "blue-white-orange";

const INVERTED = " inverted";

/** "grey inverted" -> {name: "grey", inverted: true}; unknown names are grey. */
export function readColours(text) {
  const said = String(text || "");
  const inverted = said.endsWith(INVERTED);
  const name = inverted ? said.slice(0, -INVERTED.length) : said;
  return { name: MAPS.includes(name) ? name : "grey", inverted };
}

/** The reverse of `readColours`. */
export function writeColours(name, inverted) {
  return inverted ? name + INVERTED : name;
}

/** Colour [r, g, b] of a map at a position from 0 to 1. */
export function colourAt(name, t) {
  const stops = STOPS[name] || STOPS.grey;
  const at = Math.min(1, Math.max(0, t)) * (stops.length - 1);
  const k = Math.min(stops.length - 2, Math.floor(at));
  return stops[k].map((low, c) => Math.round(low + (at - k) * (stops[k + 1][c] - low)));
}

/** A position on the bar after contrast and bias; both at rest leave it alone. */
export function bent(t, tone) {
  return (t - tone.bias) * tone.contrast + 0.5;
}

/** Colours of brightness 0 to 1 as 32-bit words, little-endian RGBA. */
export function makeTable(stretch, map, inverted, tone) {
  const curve = (STRETCHES[stretch] || STRETCHES.linear).forth;
  const table = new Uint32Array(TABLE);
  for (let k = 0; k < TABLE; k += 1) {
    const t = bent(curve(k / (TABLE - 1)), tone);
    table[k] = word(colourAt(map, inverted ? 1 - t : t));
  }
  return table;
}

/** The violet, or nothing at all, as a 32-bit word. */
export function badWord(shown) {
  return shown ? word(BAD) : 0;
}

/** Paint values (row 0 first) into 32-bit words (row 0 last). */
export function paint(values, ny, nx, limits, table, bad, out) {
  const [low, high] = limits;
  const factor = (TABLE - 1) / (high > low ? high - low : 1);
  for (let row = 0; row < ny; row += 1) {
    let to = (ny - 1 - row) * nx;
    const end = (row + 1) * nx;
    for (let from = row * nx; from < end; from += 1) {
      const at = (values[from] - low) * factor + 0.5;
      if (at >= 0) out[to] = table[at < TABLE ? at | 0 : TABLE - 1];
      else out[to] = at < 0 ? table[0] : bad;
      to += 1;
    }
  }
}

/** Values on a colour bar at positions from 0 to 1. */
export function barValue(stretch, limits, t) {
  const curve = (STRETCHES[stretch] || STRETCHES.linear).back;
  return limits[0] + (limits[1] - limits[0]) * curve(t);
}

/** Limits of a panel: what was chosen, or the numbers typed as "low high". */
export function limitsOf(scene, by, panel) {
  const level = levelOf(scene);
  if (panel === "residual") {
    const reach = scene.residual > 0 ? scene.residual : 1;
    return [level - reach, level + reach];
  }
  const key = panel === "original" ? "image" : "cleaned";
  const typed = readLimits(by);
  // Typed numbers are those of the original; the cleaned image lies lower by the sky.
  if (typed) return key === "image" ? typed : typed.map((value) => value - level);
  const { image } = (scene.limits || {})[by] || anyLimits(scene);
  return key === "image" ? image : image.map((value) => value - level);
}

/** By how much the original lies above the cleaned image: the sky in the residual. */
export function levelOf(scene) {
  const { image, cleaned } = anyLimits(scene);
  // What a run has done so far still holds the sky.
  if (scene.planes.live !== undefined) return 0;
  return cleaned ? image[0] - cleaned[0] : 0;
}

/** "3 40" -> [3, 40]; null if it is no such thing. */
export function readLimits(text) {
  const parts = String(text || "").trim().split(/[\s,;]+/).map(Number);
  const good = parts.length === 2 && parts.every(Number.isFinite) && parts[0] < parts[1];
  return good && String(text).trim() ? parts : null;
}

function anyLimits(scene) {
  const known = scene.limits || {};
  return known.zscale || known.percentile || known.minmax || { image: [0, 1] };
}

function word([r, g, b]) {
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
