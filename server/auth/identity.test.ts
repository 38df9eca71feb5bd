import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { callerOf, headersFor, isRelayed } from './identity.ts';

/** A request over a connection whose client certificate says so. */
const request = (
  subject: { CN: string; O: string | string[] } | undefined,
  headers: Readonly<Record<string, string>> = {},
): IncomingMessage =>
  ({
    headers,
    socket: {
      authorized: subject !== undefined,
      getPeerCertificate: () => ({ subject }),
      getPeerX509Certificate: () => undefined,
    },
  }) as unknown as IncomingMessage;
const server = { CN: 'orc-server', O: 'system:servers' };
const admin = { CN: 'admin', O: 'system:masters' };

describe('who asks', () => {
  test('is whose certificate it is', () => {
    expect(callerOf(request(admin))).toEqual({ name: 'admin', groups: ['system:masters'] });
    expect(callerOf(request(undefined))).toBeUndefined();
    expect(isRelayed(request(admin))).toBe(false);
  });

  test('is whom a server stands for, with names of any letters', () => {
    const caller = { name: 'Zoë, of ops', groups: ['a,b', 'system:masters'] };
    const relayed = request(server, headersFor(caller));
    expect(callerOf(relayed)).toEqual(caller);
    expect(isRelayed(relayed)).toBe(true);
    expect(callerOf(request(server, headersFor({ name: 'x', groups: [] })))).toEqual({
      name: 'x',
      groups: [],
    });
  });

  test.each([
    ['an admin', admin],
    ['a node', { CN: 'system:node:n1', O: 'system:nodes' }],
    ['nobody', undefined],
  ])('%s may not speak for others', (_who, subject) => {
    const headers = headersFor({ name: 'admin', groups: ['system:masters'] });
    expect(() => callerOf(request(subject, headers))).toThrow(/only servers of the cluster/);
    expect(() => callerOf(request(subject, { 'x-orc-group': 'system:masters' }))).toThrow(/only servers/);
  });

  test('must have a name that can be read', () => {
    expect(() => callerOf(request(server, { 'x-orc-group': 'system:masters' }))).toThrow(/expected a name/);
    expect(() => callerOf(request(server, { 'x-orc-user': '%E0%A4%A' }))).toThrow(/not valid/);
  });
});
