import assert from "node:assert/strict";
import test from "node:test";

import { load } from "./where.mjs";

const n = await load("numbers");

test("numbers are short", () => {
  assert.equal(n.shortNumber(1234.5678, 5), "1234.6");
  assert.equal(n.shortNumber(0.012345, 3), "0.0123");
  assert.equal(n.shortNumber(12345678, 4), "1.23e7");
  assert.equal(n.shortNumber(0), "0");
  for (const value of [NaN, null, undefined, Infinity]) assert.equal(n.shortNumber(value), "–");
});

test("signs are written where they matter", () => {
  assert.equal(n.signedNumber(2.5, 2), "+2.5");
  assert.equal(n.signedNumber(-2.5, 2), "-2.5");
  assert.equal(n.signedNumber(0), "0");
});

test("numbers on an axis have as many digits as its step", () => {
  assert.equal(n.stepNumber(1018.2, 59), "1018");
  assert.equal(n.stepNumber(0.1234, 0.05), "0.123");
  assert.equal(n.stepNumber(-0.2, 20), "0");
});

test("ticks are round and lie within the axis", () => {
  const { values, labels } = n.chooseTicks(0.5, 18, 7);
  assert.deepEqual(values, [5, 10, 15]);
  assert.deepEqual(labels, ["5", "10", "15"]);
});

test("large ticks share a power of ten", () => {
  const { labels, factor } = n.chooseTicks(0, 4.2e6, 5);
  assert.deepEqual(labels, ["0", "1", "2", "3", "4"]);
  assert.equal(factor, "10⁶");
});

test("an axis of no length has no ticks", () => {
  assert.deepEqual(n.chooseTicks(3, 3, 5).values, []);
});
