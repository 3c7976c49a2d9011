// Painter: tiles as small canvases, painted once and copied while the view moves.
import { TILE } from "./geometry.mjs";
import { RESIDUAL_MAP, badWord, limitsOf, makeTable, paint, readColours } from "./colour.mjs";
import { compose } from "./pixels.mjs";

const LEAST_KEPT = 240;
const SCRATCH = new Float32Array(TILE * TILE);

/** Painted tiles of one model, for all of its views. */
export class Painter {
  constructor(store) {
    this._store = store;
    this._kept = new Map();
    this._tables = new Map();
    this._most = LEAST_KEPT;
  }

  /** Room for twice what is in sight, so that a frame never lets go of its own tiles. */
  makeRoom(inSight) {
    this._most = Math.max(LEAST_KEPT, 2 * inSight);
  }

  /** How a panel is coloured now: a table, limits, and a name for the pair. */
  look(panel) {
    const { scene, tone, traits } = this._store;
    const residual = panel === "residual";
    const group = residual ? "residual" : "image";
    const stretch = residual ? "linear" : traits.stretch;
    const colours = readColours(traits.colours);
    const map = residual ? RESIDUAL_MAP : colours.name;
    const inverted = residual ? false : colours.inverted;
    const { contrast, bias } = tone[group];
    const name = `${stretch}|${map}|${inverted}|${contrast}|${bias}`;
    if (!this._tables.has(name)) {
      if (this._tables.size > 8) this._tables.clear();
      this._tables.set(name, makeTable(stretch, map, inverted, tone[group]));
    }
    const limits = limitsOf(scene, traits.limits_by, panel);
    return { table: this._tables.get(name), limits, stretch, name: `${name}|${limits}` };
  }

  /**
   * The painted tile {canvas, ny, nx, current}, or null while nothing is known of it.
   * An older one is given for as long as its pixels are on their way.
   */
  tile(panel, look, level, i, j) {
    const { scene, strength, tiles, planes } = this._store;
    const key = `${panel}/${level}/${i}/${j}`;
    const old = this._kept.get(key) || null;
    const needed = panel === "original" ? ["image"] : planes;
    const parts = {};
    let current = true;
    for (const plane of needed) {
      parts[plane] = tiles.get(plane, level, i, j);
      if (!parts[plane]) return old && { ...old, current: false };
      if (parts[plane].rev !== tiles.rev(plane)) current = false;
    }
    // Parts of two results do not belong together.
    const apart = parts.noise && (parts.noise.rev === tiles.rev("noise"))
      !== (parts.rest.rev === tiles.rev("rest"));
    if (apart) return old && { ...old, current: false };
    const revs = needed.map((plane) => parts[plane].rev).join(",");
    const share = panel === "original" || !parts.noise ? "" : strength;
    // Where nothing was computed yet, a panel is empty; only real gaps are violet.
    const whole = panel === "original" || (scene.result && scene.result.kind === "run"
      && !parts.live);
    const sign = `${revs}|${needed}|${share}|${whole}|${look.name}`;
    if (old && old.sign === sign) {
      this._kept.delete(key);
      this._kept.set(key, old);
      old.current = current;
      return old;
    }
    const { ny, nx } = parts.image;
    const values = SCRATCH.subarray(0, ny * nx);
    if (!compose(panel, parts, strength, values)) return old && { ...old, current: false };
    const made = old && old.ny === ny && old.nx === nx ? old : freshCanvas(ny, nx);
    paint(values, ny, nx, look.limits, look.table, badWord(whole), made.words);
    made.context.putImageData(made.data, 0, 0);
    Object.assign(made, { sign, current });
    this._kept.delete(key);
    this._kept.set(key, made);
    while (this._kept.size > this._most) this._kept.delete(this._kept.keys().next().value);
    return made;
  }

  /** Let go of panels that a scene no longer has. */
  forget(planes) {
    if (planes.live !== undefined || planes.rest !== undefined) return;
    for (const key of [...this._kept.keys()]) {
      if (!key.startsWith("original/")) this._kept.delete(key);
    }
  }

  clear() {
    this._kept.clear();
  }
}

function freshCanvas(ny, nx) {
  const canvas = document.createElement("canvas");
  canvas.width = nx;
  canvas.height = ny;
  const context = canvas.getContext("2d");
  const data = context.createImageData(nx, ny);
  return { canvas, context, data, words: new Uint32Array(data.data.buffer), ny, nx };
}
