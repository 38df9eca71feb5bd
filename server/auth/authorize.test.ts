import { describe, expect, test } from '@jest/globals';
import { authorize, type Access } from './authorize.ts';

const node = { name: 'system:node:a', groups: ['system:nodes'] };
const admin = { name: 'admin', groups: ['system:masters'] };

const on = (
  verb: string,
  name: string,
  more: Partial<Extract<Access, { kind: 'resource' }>> = {},
): Access => ({
  kind: 'resource',
  verb,
  group: 'orc.dev',
  resource: 'nodes',
  name,
  ...more,
});
const path = (rest: string): Access => ({ kind: 'path', verb: 'post', path: `/cluster/v1/${rest}` });

describe('a node', () => {
  test('reads its own Node, and deletes it', () => {
    for (const verb of ['get', 'list', 'watch', 'delete'])
      expect(authorize(node, on(verb, 'a'))).toMatchObject({ allowed: true });
  });

  test('changes nothing, and sees no other object', () => {
    for (const verb of ['create', 'update', 'patch', 'deletecollection'])
      expect(authorize(node, on(verb, 'a'))).toMatchObject({ allowed: false });
    const others: readonly Access[] = [
      on('get', 'b'),
      on('delete', 'b'),
      on('list', ''),
      on('watch', ''),
      on('get', 'a', { subresource: 'status' }),
      // It starts processes on a node, and shows what is on its networks.
      on('get', 'a', { subresource: 'netcheck' }),
      on('get', 'a', { resource: 'tasks' }),
      on('get', 'a', { group: '' }),
      on('get', 'orc', { resource: 'clusters' }),
    ];
    for (const access of others) expect(authorize(node, access)).toMatchObject({ allowed: false });
    expect(authorize({ ...node, name: 'system:node:' }, on('list', ''))).toMatchObject({ allowed: false });
    expect(authorize({ ...node, groups: [] }, on('get', 'a'))).toMatchObject({ allowed: false });
  });

  test('asks for what concerns itself, and nobody else does in its place', () => {
    for (const rest of ['renew', 'promote', 'role']) {
      expect(authorize(node, path(rest))).toMatchObject({ allowed: true });
      expect(authorize(admin, path(rest))).toMatchObject({ allowed: false });
    }
    for (const rest of ['token', 'members', 'members/remove', 'status'])
      expect(authorize(node, path(rest))).toMatchObject({ allowed: false });
  });
});

describe('the CA that is to issue next', () => {
  test('is for managers alone', () => {
    const server = { name: 'orc-server', groups: ['system:servers'] };
    expect(authorize(server, path('next-ca'))).toMatchObject({ allowed: true });
    expect(authorize(server, path('token'))).toMatchObject({ allowed: false });
    for (const who of [admin, node])
      expect(authorize(who, path('next-ca'))).toMatchObject({ allowed: false });
  });
});
