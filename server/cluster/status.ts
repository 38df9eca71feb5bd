import type { ServerStatus } from '../../api-schemas/cluster-api.ts';
import { digestOf, endOfCertificate } from '../../kit/certificate.ts';
import { sleep, timestamp } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { membersOf } from './members.ts';
import type { ClusterOptions } from './types.ts';

/** Who asks for the state of a cluster in trouble does not want to wait for what does not come. */
const patienceMs = 1_000;

/** What this server knows of itself. Never throws; what cannot be known says so. */
export async function serverStatus(options: ClusterOptions): Promise<ServerStatus> {
  const { registry, clock, nodeName: name, ca, clusterId, self } = options;
  const { cert } = ca();
  const [isCurrent, etcd] = await Promise.all([
    within(options, async () => registry.cache.sync().then(() => true), false),
    within(options, () => etcdOf(options), { etcdProblem: 'it does not answer in time' }),
  ]);
  return {
    name,
    ...(self?.() ?? { version: '', since: '', sessions: 0, certificatesUntil: '' }),
    now: timestamp(clock),
    isCurrent,
    ca: { digest: digestOf(cert), notAfter: endOfCertificate(cert).toISOString() },
    ...(clusterId === undefined ? {} : { clusterId }),
    ...etcd,
  };
}

async function etcdOf({ etcd }: ClusterOptions): Promise<Pick<ServerStatus, 'etcd' | 'etcdProblem'>> {
  if (etcd === undefined) return {};
  try {
    return { etcd: await membersOf(etcd) };
  } catch (error) {
    return { etcdProblem: messageOf(error) };
  }
}

/** The answer, or `late` when there is none in time. */
async function within<T>({ clock }: ClusterOptions, ask: () => Promise<T>, late: T): Promise<T> {
  const over = new AbortController();
  const time = sleep(clock, patienceMs, over.signal).then(
    () => late,
    () => late,
  );
  return Promise.race([ask().catch(() => late), time]).finally(() => over.abort());
}
