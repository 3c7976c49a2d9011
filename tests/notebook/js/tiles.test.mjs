import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./where.mjs";

const { TileCache } = await load("tiles");
const tile = (plane, rev, i, j, more = {}) => ({
  plane, rev, level: 0, i, j, ny: 1, nx: 4, values: new Float32Array(4), ...more,
});

test("a tile is current until its plane has another revision", () => {
  const cache = new TileCache();
  cache.setPlanes({ image: 1 });
  cache.put(tile("image", 1, 0, 0));
  assert.ok(cache.isCurrent("image", 0, 0, 0));
  cache.setPlanes({ image: 2 });
  assert.ok(!cache.isCurrent("image", 0, 0, 0));
  assert.ok(cache.get("image", 0, 0, 0), "a stale tile is still there to be shown");
});

test("new pixels make just the tiles stale that they touch", () => {
  const cache = new TileCache();
  cache.setPlanes({ live: 1 });
  cache.put(tile("live", 1, 0, 0));
  cache.put(tile("live", 1, 0, 1));
  cache.freshen("live", 2, [0, 10, 0, 10]);
  assert.ok(!cache.isCurrent("live", 0, 0, 0));
  assert.ok(cache.isCurrent("live", 0, 0, 1));
});

test("a tile that was on its way counts if nothing of it has changed since", () => {
  const cache = new TileCache();
  cache.setPlanes({ live: 1 });
  cache.freshen("live", 5, [0, 10, 0, 10]);
  cache.freshen("live", 6, [0, 10, 300, 310]);
  cache.put(tile("live", 5, 0, 0));
  cache.put(tile("live", 5, 0, 1));
  assert.ok(cache.isCurrent("live", 0, 0, 0));
  assert.ok(!cache.isCurrent("live", 0, 0, 1));
});

test("a stale tile does not take the place of a current one", () => {
  const cache = new TileCache();
  cache.setPlanes({ image: 3 });
  cache.put(tile("image", 3, 0, 0, { values: Float32Array.of(3, 3, 3, 3) }));
  cache.put(tile("image", 2, 0, 0));
  assert.equal(cache.get("image", 0, 0, 0).values[0], 3);
});

test("planes that are gone take their tiles with them", () => {
  const cache = new TileCache();
  cache.setPlanes({ image: 1, live: 1 });
  cache.put(tile("live", 1, 0, 0));
  cache.setPlanes({ image: 1 });
  assert.equal(cache.size, 0);
  assert.equal(cache.bytes, 0);
  assert.ok(!cache.put(tile("live", 1, 0, 0)));
});

test("what was used last stays when room runs out", () => {
  const cache = new TileCache(48);
  cache.setPlanes({ image: 1 });
  for (let j = 0; j < 3; j += 1) cache.put(tile("image", 1, 0, j));
  cache.get("image", 0, 0, 0);
  cache.put(tile("image", 1, 0, 3));
  cache.trim();
  assert.equal(cache.bytes, 48);
  assert.ok(cache.get("image", 0, 0, 0));
  assert.ok(!cache.get("image", 0, 0, 1));
});

test("what is in sight stays even when there is no room", () => {
  const cache = new TileCache(16);
  cache.setPlanes({ image: 1 });
  for (let j = 0; j < 3; j += 1) cache.put(tile("image", 1, 0, j));
  cache.trim((plane, level, i, j) => j < 2);
  assert.equal(cache.size, 2);
});
