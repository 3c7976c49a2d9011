// Tiles: which pixels are here, which of them are stale, and what to let go.
import { tileTouches } from "./geometry.mjs";

const REMEMBERED = 64;

/** Tiles of all planes, the least recently used let go first. */
export class TileCache {
  constructor(limit = 128 * 2 ** 20) {
    this.limit = limit;
    this.bytes = 0;
    this._tiles = new Map();
    this._revs = {};
    this._changes = {};
  }

  /** Take the revisions of a scene; planes that are gone take their tiles with them. */
  setPlanes(planes) {
    for (const [plane, rev] of Object.entries(this._revs)) {
      if (planes[plane] === undefined) this.drop(plane);
      else if (planes[plane] !== rev) this._changes[plane] = [];
    }
    this._revs = { ...planes };
  }

  /** A block of a plane has new pixels: tiles elsewhere count as of the new revision. */
  freshen(plane, rev, block) {
    const known = this._revs[plane];
    this._revs[plane] = rev;
    const changes = (this._changes[plane] ||= []);
    changes.push({ before: known, rev, block });
    if (changes.length > REMEMBERED) changes.shift();
    for (const tile of this._tiles.values()) {
      if (tile.plane !== plane || tile.rev !== known) continue;
      if (!tileTouches(tile.level, tile.i, tile.j, block)) tile.rev = rev;
    }
  }

  rev(plane) {
    return this._revs[plane];
  }

  /** Keep a tile that came in; one that is older than what is here is not taken. */
  put(tile) {
    const key = keyOf(tile.plane, tile.level, tile.i, tile.j);
    const rev = this._revs[tile.plane];
    if (rev === undefined) return false;
    const kept = { ...tile, rev: this._missedNothing(tile) ? rev : tile.rev };
    const old = this._tiles.get(key);
    if (old && old.rev === rev && kept.rev !== rev) return false;
    if (old) this.bytes -= old.values.byteLength;
    this._tiles.delete(key);
    this._tiles.set(key, kept);
    this.bytes += kept.values.byteLength;
    return true;
  }

  /** The tile, stale or not, or undefined. */
  get(plane, level, i, j) {
    const key = keyOf(plane, level, i, j);
    const tile = this._tiles.get(key);
    if (tile) {
      // Last in the order = used last.
      this._tiles.delete(key);
      this._tiles.set(key, tile);
    }
    return tile;
  }

  isCurrent(plane, level, i, j) {
    const tile = this._tiles.get(keyOf(plane, level, i, j));
    return Boolean(tile) && tile.rev === this._revs[plane];
  }

  /** Let go of what was not used for longest; `keep(plane, level, i, j)` protects. */
  trim(keep = () => false) {
    for (const [key, tile] of this._tiles) {
      if (this.bytes <= this.limit) return;
      if (keep(tile.plane, tile.level, tile.i, tile.j)) continue;
      this.bytes -= tile.values.byteLength;
      this._tiles.delete(key);
    }
  }

  /** Forget a plane, or everything. */
  drop(plane) {
    for (const [key, tile] of this._tiles) {
      if (plane !== undefined && tile.plane !== plane) continue;
      this.bytes -= tile.values.byteLength;
      this._tiles.delete(key);
    }
    if (plane === undefined) this._changes = {};
    else delete this._changes[plane];
  }

  get size() {
    return this._tiles.size;
  }

  /** Was nothing of the tile changed since its revision? */
  _missedNothing(tile) {
    const rev = this._revs[tile.plane];
    if (tile.rev === rev) return true;
    const changes = this._changes[tile.plane] || [];
    const later = changes.filter((change) => change.rev > tile.rev);
    // Changes that were forgotten may have touched it.
    if (!later.length || later[0].before !== tile.rev) return false;
    return !later.some((change) => tileTouches(tile.level, tile.i, tile.j, change.block));
  }
}

function keyOf(plane, level, i, j) {
  return `${plane}/${level}/${i}/${j}`;
}
