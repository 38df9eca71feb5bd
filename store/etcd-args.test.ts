import { describe, expect, test } from '@jest/globals';
import { etcdArgs, sameSettings, type Bootstrap, type EtcdSettings } from './etcd-args.ts';

const lone: EtcdSettings = {
  dataDir: '/data',
  clientPort: 1,
  peerPort: 2,
  quotaBytes: 1,
  clusterToken: 'token',
  initialized: false,
  args: [],
};
const member = (bootstrap: Bootstrap): EtcdSettings => ({
  ...lone,
  peerName: 'orc-etcd',
  tls: { caFile: 'ca', certFile: 'crt', keyFile: 'key' },
  member: {
    name: 'n1',
    peerUrl: { listen: 'https://0.0.0.0:6751', advertise: 'https://10.0.0.1:6751' },
    bootstrap,
    heartbeatMs: 75,
    electionMs: 750,
  },
});
const initial = (settings: EtcdSettings): readonly string[] =>
  etcdArgs(settings).filter((arg) => arg.startsWith('--initial-cluster'));

describe("etcd's command line", () => {
  test('keeps a lone etcd on loopback, and quick to elect itself', () => {
    expect(etcdArgs(lone)).toEqual(
      expect.arrayContaining([
        '--name=orc',
        '--listen-client-urls=http://127.0.0.1:1',
        '--listen-peer-urls=http://127.0.0.1:2',
        '--initial-cluster=orc=http://127.0.0.1:2',
        '--election-timeout=200',
      ]),
    );
  });

  test('opens to other members only, and lets in only those with the name of our own certificate', () => {
    const args = etcdArgs(member({ kind: 'new' }));
    expect(args).toEqual(
      expect.arrayContaining([
        '--name=n1',
        '--listen-client-urls=https://127.0.0.1:1',
        '--listen-peer-urls=https://0.0.0.0:6751',
        '--initial-advertise-peer-urls=https://10.0.0.1:6751',
        '--peer-client-cert-auth',
        '--peer-trusted-ca-file=ca',
        '--peer-cert-allowed-cn=orc-etcd',
        '--election-timeout=750',
      ]),
    );
  });

  test('says how to begin only while there is no data, and never to force', () => {
    const join: Bootstrap = { kind: 'join', initialCluster: 'n0=u0,n1=u1' };
    expect(initial(member({ kind: 'new' }))).toEqual([
      '--initial-cluster=n1=https://10.0.0.1:6751',
      '--initial-cluster-token=token',
    ]);
    expect(initial(member(join))).toEqual([
      '--initial-cluster-state=existing',
      '--initial-cluster=n0=u0,n1=u1',
    ]);
    for (const bootstrap of [{ kind: 'new' }, join, { kind: 'force-new' }] as const) {
      const args = etcdArgs({ ...member(bootstrap), initialized: true });
      expect(args.join(' ')).not.toMatch(/--initial-cluster|force/);
      expect(sameSettings(etcdArgs(member(join)), args)).toBe(true);
    }
  });

  test('is another one when what lasts has changed', () => {
    expect(sameSettings(etcdArgs(lone), etcdArgs({ ...lone, clusterToken: 'other' }))).toBe(true);
    expect(sameSettings(etcdArgs(lone), etcdArgs({ ...lone, peerPort: 3 }))).toBe(false);
    expect(
      sameSettings(etcdArgs(lone), etcdArgs({ ...lone, args: ['--initial-election-tick-advance'] })),
    ).toBe(false);
  });
});
