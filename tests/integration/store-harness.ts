/** Several etcd members on this machine, each supervised as on a machine of its own, with one CA. */
import { mkdtempSync, rmSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { ensurePki, generateKey, issueCertificate, type Pki } from '../../server/pki/index.ts';
import {
  addLearner,
  openStore,
  promote,
  superviseEtcd,
  type Bootstrap,
  type EtcdSupervisor,
  type MemberOptions,
  type Store,
  type SupervisorOptions,
} from '../../store/index.ts';
import { Connection } from '../../store/connection.ts';
import { isFree } from '../../store/ports.ts';

export const clientHostname = 'orc-etcd-client';

export interface Machine {
  readonly name: string;
  readonly dataDir: string;
  readonly pki: Pki;
  /** Of its peer port; another one is another address. */
  port: number;
  /** Certificate of our own clients of etcd. */
  readonly client: { readonly certFile: string; readonly keyFile: string };
  readonly tls: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
  etcd: EtcdSupervisor | undefined;
}

export interface Machines {
  readonly dir: string;
  machine(name: string): Promise<Machine>;
  member(machine: Machine, bootstrap: Bootstrap): MemberOptions;
  /** Of its supervisor. */
  options(machine: Machine): SupervisorOptions;
  /** Runs its etcd alone, as before there was a cluster. */
  runAlone(machine: Machine): Promise<EtcdSupervisor>;
  /** Runs its etcd as a member; resolves when that answers. */
  run(machine: Machine, bootstrap?: Bootstrap): Promise<EtcdSupervisor>;
  connect(machine: Machine): Connection;
  open(machine: Machine): Promise<Store>;
  /** Makes `machine` a member with a vote through one that is. */
  join(machine: Machine, through: Machine): Promise<void>;
  /** SIGKILL for its etcd, with nobody to start it again. */
  kill(machine: Machine): Promise<void>;
  stop(): Promise<void>;
}

/** Runs `attempt` until it returns something. The test's own time limit ends it. */
export async function eventually<T>(attempt: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export const peerUrl = ({ port }: Machine): string => `https://127.0.0.1:${port}`;

/** Below those that the kernel gives to clients: it must be free again when a member comes back. */
export const peerPort = (): Promise<number> =>
  eventually(async () => {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    return (await isFree(port)) ? port : undefined;
  });

export function startMachines(): Machines {
  const dir = mkdtempSync(join(tmpdir(), 'orc-members-'));
  const closers: (() => Promise<void>)[] = [];
  let first: string | undefined;
  const all: Machine[] = [];

  const machine = async (name: string): Promise<Machine> => {
    const dataDir = join(dir, name);
    if (first !== undefined) {
      await mkdir(join(dataDir, 'pki'), { recursive: true, mode: 0o700 });
      for (const file of ['ca.crt', 'ca.key'])
        await cp(join(first, 'pki', file), join(dataDir, 'pki', file), { preserveTimestamps: true });
    }
    first ??= dataDir;
    const pki = await ensurePki(dataDir, { nodeName: name });
    const key = await generateKey();
    const cert = issueCertificate(
      pki.ca,
      { commonName: 'orc-etcd-client', usage: 'client', hosts: ['127.0.0.1', clientHostname], days: 1 },
      key,
      systemClock,
    );
    const client = { certFile: join(dataDir, 'client.crt'), keyFile: join(dataDir, 'client.key') };
    await writeFile(client.certFile, cert);
    await writeFile(client.keyFile, key, { mode: 0o600 });
    const port = await peerPort();
    const tls = { ca: await readFile(pki.ca.certFile), cert: Buffer.from(cert), key: Buffer.from(key) };
    const made = { name, dataDir, pki, port, client, tls, etcd: undefined };
    all.push(made);
    return made;
  };

  const member = (of: Machine, bootstrap: Bootstrap): MemberOptions => ({
    name: of.name,
    peerUrl: { listen: peerUrl(of), advertise: peerUrl(of) },
    bootstrap,
    heartbeatMs: 75,
    electionMs: 750,
  });

  const options = (of: Machine): SupervisorOptions => ({
    dataDir: join(of.dataDir, 'etcd'),
    logger: silentLogger,
    tls: {
      caFile: of.pki.ca.certFile,
      certFile: of.pki.etcd.certFile,
      keyFile: of.pki.etcd.keyFile,
      client: { ...of.client, hostname: clientHostname },
    },
  });
  const run = async (of: Machine, bootstrap: Bootstrap = { kind: 'new' }): Promise<EtcdSupervisor> => {
    of.etcd = await superviseEtcd({ ...options(of), member: member(of, bootstrap) });
    return of.etcd;
  };

  const endpoints = (of: Machine): readonly string[] => of.etcd?.endpoints ?? [];
  const connect = (of: Machine): Connection => {
    const connection = new Connection({ endpoints: endpoints(of), tls: of.tls });
    closers.push(() => Promise.resolve(connection.close()));
    return connection;
  };

  return {
    dir,
    machine,
    member,
    options,
    runAlone: async (of) => (of.etcd = await superviseEtcd(options(of))),
    run,
    connect,
    open: async (of) => {
      const store = await openStore({ endpoints: endpoints(of), logger: silentLogger, tls: of.tls });
      closers.push(() => store.close());
      return store;
    },
    join: async (of, through) => {
      const connection = connect(through);
      const request = { name: of.name, peerUrl: peerUrl(of) };
      const added = await eventually(async () => {
        const answer = await addLearner(connection, request);
        return answer.kind === 'refused' ? undefined : answer;
      });
      await run(of, { kind: 'join', initialCluster: added.initialCluster });
      await eventually(async () =>
        (await promote(connection, added.member.id)).kind === 'promoted' ? true : undefined,
      );
    },
    kill: async (of) => {
      const pid = of.etcd?.health().pid;
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      // Its supervisor would start it again.
      await of.etcd?.stop();
    },
    stop: async () => {
      await Promise.all(closers.map((close) => close()));
      await Promise.all(all.map((each) => each.etcd?.stop() ?? Promise.resolve()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
