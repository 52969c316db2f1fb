import assert from 'node:assert/strict';
import { test } from 'node:test';

import { newKey, readSource } from '../../static/views/source.js';

const PROJECTS = [{ id: 'demo', name: 'Demo', url: 'https://example.org/demo.git' }];
const url = (value, secrets = {}) => ({ fields: { url: value }, secrets });

test('addresses of every usual form are taken', () => {
  for (const value of ['https://example.org/a.git', 'ssh://git@example.org:2222/a/b.git', 'git@example.org:a/b.git', 'git://example.org/a',
    'file:///srv/git/a', 'http://localhost:3000/a.git', 'http://[::1]:3000/a.git', 'http://gitserver/a.git']) {
    assert.deepEqual(readSource(value), url(value), value);
  }
  assert.deepEqual(readSource('/srv/git/a'), { fields: { path: '/srv/git/a' } });
});

test('what people paste around an address is forgiven', () => {
  assert.deepEqual(readSource('  git clone https://example.org/a.git '), url('https://example.org/a.git'));
  assert.deepEqual(readSource('<https://example.org/a.git>'), url('https://example.org/a.git'));
  assert.deepEqual(readSource('example.org/team/a'), url('https://example.org/team/a'));
});

test('a password or token in an address becomes a secret and leaves the address', () => {
  assert.deepEqual(readSource('https://me:pa%20ss@example.org/a.git'), url('https://example.org/a.git', { username: 'me', password: 'pa ss' }));
  assert.deepEqual(readSource('https://tok3n@example.org/a.git'), url('https://example.org/a.git', { token: 'tok3n' }));
  assert.deepEqual(readSource('https://:tok3n@example.org/a.git'), url('https://example.org/a.git', { token: 'tok3n' }));
  assert.deepEqual(readSource('ssh://git:pw@example.org/a.git'), url('ssh://git@example.org/a.git', { username: 'git', password: 'pw' }));
});

test('a lone percent sign in an address is taken as it is', () => {
  assert.deepEqual(readSource('https://me:100%@example.org/a.git'), url('https://example.org/a.git', { username: 'me', password: '100%' }));
  assert.deepEqual(readSource('https://example.org/100%.git'), url('https://example.org/100%.git'));
});

test('a project of the hub is found by name, id or address', () => {
  for (const value of ['demo', 'Demo', 'https://example.org/demo.git']) assert.deepEqual(readSource(value, PROJECTS), { project: 'demo' });
});

test('anything else is refused in words', () => {
  for (const value of ['', '   ', 'no such project', 'ftp://example.org/a', 'javascript:alert(1)', 'https://', 'nonsense']) {
    const { error } = readSource(value, PROJECTS);
    assert.ok(error?.length > 10, value);
  }
});

test('every submit has a key of its own', () => {
  assert.match(newKey(), /^[0-9a-f]{32}$/);
  assert.notEqual(newKey(), newKey());
});
