import { describe, expect, test } from '@jest/globals';
import { joinHint } from './join-hint.ts';

describe('what a first manager says to those who are to join', () => {
  const token = (role: string): string => `orc1-${role}-secret`;

  test('in a terminal is a worker’s whole command, and where a manager’s is found', () => {
    expect(joinHint(token, '10.0.0.1:6750', true)).toBe(
      [
        'To add a worker, run there:',
        '  orc join --token orc1-worker-secret 10.0.0.1:6750',
        'To add a manager (three of them survive the loss of one): `orc token show manager`',
      ].join('\n'),
    );
  });

  test('elsewhere has no token', () => {
    const text = joinHint(token, '10.0.0.1:6750', false);
    expect(text).toContain('`orc token show worker`');
    expect(text).not.toContain('orc1-');
  });
});
