import assert from "node:assert/strict";
import test, { mock } from "node:test";

import { load } from "./where.mjs";

const { Wants } = await load("wants");
const RECT = [0, 0, 10, 10];
const one = (j, rev = 1) => ["image", rev, 0, 0, j];

function setUp(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  const sent = [];
  const wants = new Wants((message) => sent.push(message));
  t.after(() => {
    wants.close();
    mock.timers.reset();
  });
  return { sent, wants };
}

test("the first question is asked at once, later ones when the view rests", (t) => {
  const { sent, wants } = setUp(t);
  wants.set("a", [one(0)], RECT);
  assert.equal(sent.length, 1);
  wants.set("a", [one(1)], RECT);
  wants.set("a", [one(2)], RECT);
  assert.equal(sent.length, 1);
  mock.timers.tick(100);
  assert.deepEqual(sent[1].tiles, [one(2)]);
});

test("what was asked for is not asked for again", (t) => {
  const { sent, wants } = setUp(t);
  wants.set("a", [one(0), one(1)], RECT);
  wants.set("a", [one(1)], RECT);
  mock.timers.tick(1000);
  assert.equal(sent.length, 1);
});

test("another revision is another question", (t) => {
  const { sent, wants } = setUp(t);
  wants.set("a", [one(0)], RECT);
  wants.set("a", [one(0, 2)], RECT);
  mock.timers.tick(100);
  assert.deepEqual(sent[1].tiles, [one(0, 2)]);
});

test("two views ask together", (t) => {
  const { sent, wants } = setUp(t);
  wants.set("a", [one(0)], RECT);
  wants.set("b", [one(1)], [5, -5, 20, 5]);
  mock.timers.tick(100);
  assert.deepEqual(sent[1].tiles, [one(0), one(1)]);
  assert.deepEqual(sent[1].view, [0, -5, 20, 10]);
});

test("an answer that never comes is asked for once more", (t) => {
  const { sent, wants } = setUp(t);
  wants.set("a", [one(0)], RECT);
  mock.timers.tick(6000);
  assert.equal(sent.length, 2);
  wants.set("a", [], RECT);
  mock.timers.tick(20000);
  assert.equal(sent.length, 2);
});

test("nothing is asked for after the end", (t) => {
  const { sent, wants } = setUp(t);
  wants.set("a", [one(0)], RECT);
  wants.set("a", [one(1)], RECT);
  wants.close();
  mock.timers.tick(20000);
  assert.equal(sent.length, 1);
});
