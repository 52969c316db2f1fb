import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { reduce } from '../../static/state.js';

const fixture = (name) => readFileSync(new URL(`../fixtures/${name}`, import.meta.url), 'utf8');
const events = fixture('story.jsonl').trim().split('\n').map((line) => JSON.parse(line));
const expected = JSON.parse(fixture('story.states.json'));

test('folds every line of the story to the same state as the hub', () => {
  const states = new Map();
  events.forEach((event, line) => {
    states.set(event.job, reduce(states.get(event.job) ?? null, event));
    assert.deepEqual(states.get(event.job), expected[line], `line ${line + 1}`);
  });
});

test('a state object from the hub is folded on as if every event had been seen', () => {
  events.forEach((event, line) => {
    const before = expected.slice(0, line).findLast((state) => state.id === event.job) ?? null;
    assert.deepEqual(reduce(before, event), expected[line], `line ${line + 1}`);
  });
});

test('an event that is known already changes nothing, nor does one after the end', () => {
  const ended = expected.findLast((state) => state.state === 'succeeded');
  assert.equal(reduce(ended, { ...events[12], seq: 999 }), ended);
  const running = expected[13];
  assert.equal(reduce(running, events[8]), running);
});
