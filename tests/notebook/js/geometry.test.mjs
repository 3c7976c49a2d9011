import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./where.mjs";

const g = await load("geometry");
const SIZE = { width: 401, height: 300 };
const SHAPE = { nx: 3000, ny: 2000 };
const close = (a, b, reach = 1e-9) => assert.ok(Math.abs(a - b) <= reach, `${a} is not ${b}`);

test("the middle of a panel shows the pixel of the view", () => {
  const at = g.toPixel({ x: 12.5, y: 7, scale: 3 }, SIZE, 200.5, 150);
  assert.deepEqual(at, { x: 12.5, y: 7 });
});

test("up on the screen is up in the image", () => {
  assert.ok(g.toPixel({ x: 0, y: 0, scale: 1 }, SIZE, 0, 0).y > 0);
});

test("a pixel goes to the screen and comes back", () => {
  const view = { x: 1234.5, y: 87.25, scale: 0.37 };
  const { px, py } = g.toScreen(view, SIZE, 1000.125, 99.5);
  const back = g.toPixel(view, SIZE, px, py);
  close(back.x, 1000.125);
  close(back.y, 99.5);
});

test("a zoom keeps the pixel under the pointer", () => {
  let view = { x: 500, y: 500, scale: 0.5 };
  const before = g.toPixel(view, SIZE, 30, 222);
  for (const factor of [1.3, 4, 0.7, 9]) view = g.zoomAbout(view, SIZE, 30, 222, factor, 0.01);
  const after = g.toPixel(view, SIZE, 30, 222);
  close(after.x, before.x, 1e-6);
  close(after.y, before.y, 1e-6);
});

test("a zoom stops at both ends", () => {
  const view = { x: 0, y: 0, scale: 1 };
  assert.equal(g.zoomAbout(view, SIZE, 0, 0, 1e9, 0.1).scale, g.MOST_ZOOM);
  assert.equal(g.zoomAbout(view, SIZE, 0, 0, 1e-9, 0.1).scale, 0.1);
});

test("a fit shows the whole image and no more than it must", () => {
  const view = g.fitView(SHAPE, SIZE);
  const rect = g.visibleRect(view, SIZE, SHAPE);
  assert.deepEqual(rect.map((v) => Math.round(v * 1e6) / 1e6), [-0.5, -0.5, 2999.5, 1999.5]);
  close(view.scale, 401 / 3000);
});

test("the level has pixels of half to one pixel of the screen", () => {
  for (const scale of [0.9, 0.5, 0.26, 0.1, 0.031]) {
    const size = scale * 2 ** g.levelFor(scale, 1, 20);
    assert.ok(size > 0.5 && size <= 1, `${scale}: ${size}`);
  }
  assert.equal(g.levelFor(5, 1, 4), 0);
  assert.equal(g.levelFor(0.001, 1, 4), 3);
  assert.equal(g.levelFor(0.5, 2, 4), 0);
});

test("the tiles in view are just those that the view touches", () => {
  const view = { x: 511.5, y: 300, scale: 1 };
  const size = { width: 40, height: 40 };
  const rect = g.visibleRect(view, size, SHAPE);
  assert.deepEqual(g.tileRange(rect, SHAPE, 0), { i0: 1, i1: 1, j0: 1, j1: 2 });
  const edge = [255.5, -0.5, 511.5, 255.5];
  assert.deepEqual(g.tileRange(edge, SHAPE, 0), { i0: 0, i1: 0, j0: 1, j1: 1 });
});

test("tiles of a level cover all of its pixels", () => {
  const whole = [-0.5, -0.5, 2999.5, 1999.5];
  assert.deepEqual(g.tileRange(whole, SHAPE, 0), { i0: 0, i1: 7, j0: 0, j1: 11 });
  assert.deepEqual(g.tileRange(whole, SHAPE, 4), { i0: 0, i1: 0, j0: 0, j1: 0 });
});

test("a block in view is whole pixels, ends left out", () => {
  assert.deepEqual(g.visibleBlock([-0.5, -0.5, 9.5, 4.5]), [0, 5, 0, 10]);
  assert.deepEqual(g.visibleBlock([2.2, 3.4, 5.6, 7.8]), [3, 9, 2, 7]);
});

test("neighbouring tiles share their edges at any zoom", () => {
  const canvas = { width: 401, height: 300 };
  for (const scale of [0.137, 0.5, 0.99, 1.37, 7.3, 61.7]) {
    const view = { x: 511.3, y: 511.9, scale };
    const origin = g.originOf(view, SIZE, 1);
    const level = g.levelFor(scale, 1, 5);
    const tile = { nx: 256, ny: 256 };
    const k = Math.floor(511.8 / (256 * 2 ** level));
    const a = g.placeTile(origin, scale, canvas, level, k, k, tile);
    const b = g.placeTile(origin, scale, canvas, level, k, k + 1, tile);
    if (a && b && a.sx + a.sw === 256 && b.sx === 0) assert.equal(a.x + a.w, b.x);
  }
});

test("pixels of a placed tile lie where the view says, to half a screen pixel", () => {
  const view = { x: 300, y: 200, scale: 13.7 };
  const origin = g.originOf(view, SIZE, 1);
  const to = g.placeTile(origin, 13.7, SIZE, 0, 0, 1, { nx: 256, ny: 256 });
  const corner = g.toScreen(view, SIZE, 256 + to.sx - 0.5, 256 - to.sy - 0.5);
  assert.ok(Math.abs(to.x - corner.px) <= 1);
  assert.ok(Math.abs(to.y - corner.py) <= 1);
});

test("a tile out of sight is not drawn", () => {
  const origin = g.originOf({ x: 10, y: 10, scale: 8 }, SIZE, 1);
  assert.equal(g.placeTile(origin, 8, SIZE, 0, 5, 5, { nx: 256, ny: 256 }), null);
});

test("a block touches just the tiles that it overlaps", () => {
  assert.ok(g.tileTouches(0, 1, 0, [256, 300, 0, 10]));
  assert.ok(!g.tileTouches(0, 0, 0, [256, 300, 0, 10]));
  assert.ok(g.tileTouches(2, 0, 0, [1000, 1024, 1023, 1025]));
  assert.ok(!g.tileTouches(2, 0, 0, [1024, 1030, 0, 5]));
});
