import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./where.mjs";

const c = await load("colour");
const REST = { contrast: 1, bias: 0.5 };
const rgba = (word) => [word & 255, (word >> 8) & 255, (word >> 16) & 255, word >>> 24];
const SCENE = {
  planes: {}, residual: 48,
  limits: {
    zscale: { image: [1000, 1200], cleaned: [-10, 190] },
    percentile: { image: [900, 2000], cleaned: [-110, 990] },
  },
};

test("every stretch goes from 0 to 1 and back", () => {
  for (const { forth, back } of Object.values(c.STRETCHES)) {
    assert.ok(Math.abs(forth(0)) < 1e-12 && Math.abs(forth(1) - 1) < 1e-12);
    for (const t of [0.01, 0.3, 0.9]) assert.ok(Math.abs(back(forth(t)) - t) < 1e-9);
  }
});

test("grey goes from black to white", () => {
  const table = c.makeTable("linear", "grey", false, REST);
  assert.deepEqual(rgba(table[0]), [0, 0, 0, 255]);
  assert.deepEqual(rgba(table[c.TABLE - 1]), [255, 255, 255, 255]);
  const other = c.makeTable("linear", "grey", true, REST);
  assert.deepEqual(rgba(other[0]), [255, 255, 255, 255]);
});

test("zero of the residual is white", () => {
  const table = c.makeTable("linear", c.RESIDUAL_MAP, false, REST);
  assert.deepEqual(rgba(table[c.TABLE / 2]), [247, 247, 247, 255]);
});

test("more contrast makes bright brighter and dark darker", () => {
  const table = c.makeTable("linear", "grey", false, { contrast: 2, bias: 0.5 });
  assert.deepEqual(rgba(table[900]).slice(0, 1), [0]);
  assert.deepEqual(rgba(table[3200]).slice(0, 1), [255]);
});

test("row 0 is painted last and gaps are violet", () => {
  const out = new Uint32Array(4);
  const table = c.makeTable("linear", "grey", false, REST);
  c.paint(Float32Array.from([0, NaN, 10, 99]), 2, 2, [0, 10], table, c.badWord(true), out);
  assert.deepEqual(rgba(out[2]), [0, 0, 0, 255]);
  assert.deepEqual(rgba(out[3]), [...c.BAD, 255]);
  assert.deepEqual(rgba(out[0]), [255, 255, 255, 255]);
  assert.deepEqual(rgba(out[1]), [255, 255, 255, 255]);
});

test("infinite values have the colours of the ends", () => {
  const out = new Uint32Array(2);
  const table = c.makeTable("linear", "grey", false, REST);
  c.paint(Float32Array.from([-Infinity, Infinity]), 1, 2, [0, 1], table, 0, out);
  assert.deepEqual(rgba(out[0]), [0, 0, 0, 255]);
  assert.deepEqual(rgba(out[1]), [255, 255, 255, 255]);
});

test("original and cleaned share their limits but for the level between them", () => {
  assert.deepEqual(c.limitsOf(SCENE, "zscale", "original"), [1000, 1200]);
  assert.deepEqual(c.limitsOf(SCENE, "zscale", "cleaned"), [-10, 190]);
  assert.deepEqual(c.limitsOf(SCENE, "1100 1500", "original"), [1100, 1500]);
  assert.deepEqual(c.limitsOf(SCENE, "1100 1500", "cleaned"), [90, 490]);
});

test("the residual is symmetric about the level of the sky", () => {
  assert.deepEqual(c.limitsOf(SCENE, "zscale", "residual"), [962, 1058]);
});

test("what a run has done so far still holds the sky", () => {
  const scene = { ...SCENE, planes: { live: 3 } };
  assert.deepEqual(c.limitsOf(scene, "zscale", "cleaned"), [1000, 1200]);
  assert.deepEqual(c.limitsOf(scene, "zscale", "residual"), [-48, 48]);
});

test("unknown limits are those that are known, or 0 to 1", () => {
  assert.deepEqual(c.limitsOf(SCENE, "nonsense", "original"), [1000, 1200]);
  assert.deepEqual(c.limitsOf({ planes: {} }, "zscale", "cleaned"), [0, 1]);
});

test("limits typed by hand are two rising numbers", () => {
  assert.deepEqual(c.readLimits("3, 40"), [3, 40]);
  assert.deepEqual(c.readLimits(" -1e3 2.5 "), [-1000, 2.5]);
  for (const text of ["", "3", "4 3", "a b", "zscale", "1 2 3"]) {
    assert.equal(c.readLimits(text), null);
  }
});

test("colours are read and written", () => {
  assert.deepEqual(c.readColours("viridis inverted"), { name: "viridis", inverted: true });
  assert.deepEqual(c.readColours("nonsense"), { name: "grey", inverted: false });
  assert.equal(c.writeColours("grey", true), "grey inverted");
});

test("a colour bar tells the values that its colours stand for", () => {
  assert.equal(c.barValue("linear", [10, 20], 0.5), 15);
  assert.equal(c.barValue("sqrt", [0, 100], 0.5), 25);
});
