import { expect, test } from '@jest/globals';
import { normalizeImage, parseImage, shortImage } from './image.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('references are completed as Docker completes them', () => {
  const cases: Readonly<Record<string, string>> = {
    nginx: 'docker.io/library/nginx:latest',
    'nginx:1.27': 'docker.io/library/nginx:1.27',
    'team/app': 'docker.io/team/app:latest',
    'docker.io/nginx': 'docker.io/library/nginx:latest',
    'index.docker.io/team/app': 'docker.io/team/app:latest',
    'localhost/app': 'localhost/app:latest',
    'localhost:5000/app:v1': 'localhost:5000/app:v1',
    'ghcr.io/a/b_c/d-e.f:T_1': 'ghcr.io/a/b_c/d-e.f:T_1',
    'orc.local/hello:1': 'orc.local/hello:1',
    [`nginx@${digest}`]: `docker.io/library/nginx@${digest}`,
    [`nginx:1@${digest}`]: `docker.io/library/nginx:1@${digest}`,
    '[::1]:5000/app': '[::1]:5000/app:latest',
  };
  for (const [text, full] of Object.entries(cases)) {
    expect(normalizeImage(text)).toBe(full);
    expect(normalizeImage(full)).toBe(full);
  }
});

test('what is not a reference is refused with the reason', () => {
  const bad = [
    '',
    'Nginx',
    'a b',
    'nginx:',
    ':1',
    'nginx@sha256:12',
    'a//b',
    'a/../b',
    '-x',
    'nginx:a/b:c d',
    'f'.repeat(64).replace(/f/g, 'a'),
    'x'.repeat(700),
    'a@b@c',
    'http://x/y',
  ];
  for (const text of bad) expect(() => parseImage(text)).toThrow(/is not an image reference/);
});

test('the short form drops what everyone knows', () => {
  expect(shortImage('docker.io/library/nginx:1')).toBe('nginx:1');
  expect(shortImage(`a/b@${digest}`)).toBe('a/b@sha256:aaaaaaaaaaaa');
});
