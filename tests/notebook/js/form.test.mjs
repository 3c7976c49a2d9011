import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./where.mjs";

const { goodNumber } = await load("form");
const { axisEnds } = await load("plots");
const { scaleBar, sourceAt } = await load("marks");
const STEPS = { low: 1, high: 100, whole: true, optional: true, choices: [] };

test("numbers out of range or not whole are told at once", () => {
  for (const good of ["", "1", "100", " 7".trim(), "none"]) assert.ok(goodNumber(STEPS, good));
  for (const bad of ["0", "101", "2.5", "many"]) assert.ok(!goodNumber(STEPS, bad), bad);
});

test("words may stand for a number", () => {
  const scale = { low: 8, high: 100, whole: true, choices: ["auto", "none"] };
  assert.ok(goodNumber(scale, "Auto") && goodNumber(scale, "64") && !goodNumber(scale, "big"));
});

test("an axis has room at both ends and some length", () => {
  assert.deepEqual(axisEnds([null, NaN]), [0, 1]);
  const [low, high] = axisEnds([5, 5, null]);
  assert.ok(low < 5 && high > 5);
  assert.ok(axisEnds([3, 4], { zero: true })[0] < 0);
});

test("a scale bar has a round length that fits", () => {
  assert.deepEqual(scaleBar(2, 0, 120), { width: 100, text: "50 pix" });
  assert.equal(scaleBar(1, 0.4, 120).text, "30 arcsec");
  assert.equal(scaleBar(0.1, 0.4, 120).text, "5 arcmin");
});

test("a click on a ring means its source, the nearest one", () => {
  const sources = { n: 3, x: [10, 14, 11], y: [10, 10, 10], r: [1, 1, 1] };
  const view = { x: 10, y: 10, scale: 4 };
  const size = { width: 200, height: 200 };
  assert.equal(sourceAt(sources, 3, view, size, 101, 100), 0);
  assert.equal(sourceAt(sources, 3, view, size, 105, 100), 2);
  assert.equal(sourceAt(sources, 2, view, size, 105, 100), 0);
  assert.equal(sourceAt(sources, 3, view, size, 160, 100), null);
  assert.equal(sourceAt(null, 0, view, size, 100, 100), null);
});
