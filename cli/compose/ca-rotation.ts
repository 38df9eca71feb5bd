/** A manager's part in the replacement of the CA: what each phase asks of it, in its turn, and the word that it is done. */
import { clusterName, type Cluster, type ClusterCa, type ManagerPki } from '../../api-schemas/index.ts';
import type { NextCaAnswer } from '../../api-schemas/cluster-api.ts';
import { Client } from '../../client/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { digestOf, trustStateOf } from '../../kit/certificate.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { CaSteps, KeyedCertificate, Pki } from '../../server/pki/index.ts';
import type { Registry } from '../../store/types.ts';

export type CaStep = 'create' | 'trust' | 'issue' | 'drop';

/** What this manager issues with, trusts, and has at hand. */
export const managerPkiOf = ({ server, trust, next }: Pki): ManagerPki => ({
  ...trustStateOf(server.cert, trust),
  ...(next === undefined ? {} : { next: digestOf(next.cert) }),
});

/**
 * What it has to do now; undefined when it is not its turn, or all is done. Where an earlier step is missing, that
 * comes first: nobody drops what it still issues with.
 */
export function stepOf(ca: ClusterCa | undefined, name: string, own: ManagerPki): CaStep | undefined {
  if (ca === undefined || ca.turn !== name || ca.phase === 'Done') return undefined;
  if (ca.phase === 'Create') return own.next === undefined ? 'create' : undefined;
  const { from, to } = ca;
  if (to === undefined) return undefined;
  const isNew = own.issuer === to;
  const trustsBoth = [from, to].every((one) => own.trust.includes(one));
  if (!isNew && !(trustsBoth && own.next === to)) return 'trust';
  if (ca.phase === 'Trust') return undefined;
  if (!isNew) return 'issue';
  const isAlone = own.trust.length === 1 && own.trust[0] === to;
  return ca.phase === 'Drop' && !isAlone ? 'drop' : undefined;
}

export interface RotationOptions {
  readonly registry: Registry;
  readonly nodeName: string;
  readonly steps: CaSteps;
  /** As it is now. */
  readonly pki: () => Pki;
  /** Has the files of `steps` used. */
  readonly reload: () => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const retry = { baseMs: 500, maxMs: 10_000 };

/** Follows the Cluster object until closed. A step that fails is tried again; a process that dies in one repeats it. */
export function followCaRotation(options: RotationOptions): { close(): Promise<void> } {
  const { registry, clock, logger } = options;
  const stop = new AbortController();
  let isStale = true;
  const work: Work = { isToReload: false };
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    for (let failures = 0; isStale && !stop.signal.aborted;) {
      isStale = false;
      try {
        await pass(options, work, stop.signal);
        failures = 0;
      } catch (error) {
        if (stop.signal.aborted) return;
        isStale = true;
        failures += 1;
        logger.warn(
          { err: messageOf(error) },
          'a step of the replacement of the CA failed; it is tried again',
        );
        await sleep(clock, backoffMs(failures, retry), stop.signal).catch(() => undefined);
      }
    }
  };
  const look = (): void => {
    isStale = true;
    running ??= run().finally(() => (running = undefined));
  };
  const subscription = registry.cache.watch('Cluster', undefined, { onChanges: look, onReset: look });
  look();
  return {
    async close() {
      subscription.close();
      stop.abort(new Error('the manager stops'));
      await running;
    },
  };
}

interface Work {
  /** Files are other ones than those in use. */
  isToReload: boolean;
}

/** All steps that are due, and what has come of them written down: only what is in use counts. */
async function pass(options: RotationOptions, work: Work, signal: AbortSignal): Promise<void> {
  const { registry, nodeName, pki, reload, steps, logger } = options;
  const cluster = registry.cache.get('Cluster', '', clusterName);
  if (cluster === undefined) return;
  for (;;) {
    const step = stepOf(cluster.status?.ca, nodeName, managerPkiOf(pki()));
    if (step === undefined && !work.isToReload) break;
    logger.info(
      { step, phase: cluster.status?.ca?.phase },
      'the CA is being replaced: this manager does its part',
    );
    work.isToReload = true;
    if (step === 'trust') await steps.trust(await nextOf(options, cluster));
    else if (step !== undefined) await steps[step]();
    await reload();
    work.isToReload = false;
    signal.throwIfAborted();
  }
  const own = managerPkiOf(pki());
  if (JSON.stringify(cluster.status?.managers?.[nodeName]?.pki) === JSON.stringify(own)) return;
  await registry.modify<Cluster>(
    { kind: 'Cluster', namespace: '', name: clusterName },
    (current) => withPki(current, nodeName, own),
    { manager: 'orc-server' },
  );
}

function withPki(cluster: Cluster, name: string, pki: ManagerPki): Cluster | undefined {
  const { [name]: manager, ...others } = cluster.status?.managers ?? {};
  if (manager === undefined || JSON.stringify(manager.pki) === JSON.stringify(pki)) return undefined;
  return { ...cluster, status: { ...cluster.status, managers: { ...others, [name]: { ...manager, pki } } } };
}

/** The CA that is to issue next: it is here already, or another manager has it. */
async function nextOf({ pki, nodeName }: RotationOptions, { status }: Cluster): Promise<KeyedCertificate> {
  const to = status?.ca?.to ?? '';
  const { next, trust, server } = pki();
  if (next !== undefined && digestOf(next.cert) === to) return next;
  const endpoints = Object.entries(status?.managers ?? {})
    .filter(([name, { pki: theirs }]) => name !== nodeName && (theirs?.next === to || theirs?.issuer === to))
    .map(([, { url }]) => url);
  if (endpoints.length === 0) throw new Error('no other manager has the next CA');
  const client = new Client({ endpoints, tls: { ca: trust, cert: server.cert, key: server.key } });
  try {
    const answer = JSON.parse(await client.raw('GET', `/cluster/v1/next-ca?digest=${to}`)) as NextCaAnswer;
    if (digestOf(answer.ca) !== to) throw new Error('another manager gave another CA than the one to come');
    return { cert: answer.ca, key: answer.caKey };
  } finally {
    client.close();
  }
}
