/** `orc ca rotate`, its first half: what it will do, and asking the cluster for it. */
import {
  clusterName,
  leaseNamespace,
  serverOfLease,
  type Cluster,
  type Node,
} from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import type { Context } from '../command.ts';
import { canAsk, confirm } from '../confirm.ts';
import { CliError, usageError } from '../errors.ts';
import { note, say, type Io } from '../io.ts';
import { short, underWay, waitOf } from './ca-view.ts';

export interface StartOptions {
  readonly yes: boolean;
  /** As `spec.ca.waitForUnreachable` has it; undefined: as it is. */
  readonly wait: string | undefined;
}

/**
 * The number of the rotation to follow: one that is under way already, or the one that was asked for; else undefined.
 * Says what it will do before it asks for one, and asks for none without consent: `--yes`, or a `y` in a terminal.
 */
export async function startRotation(
  context: Context,
  client: Client,
  { yes, wait }: StartOptions,
): Promise<number | undefined> {
  const { io, signal } = context;
  const cluster = await client.get('Cluster', { name: clusterName }, signal);
  const present = underWay(cluster);
  if (present !== undefined) {
    if (wait !== undefined && wait !== waitOf(cluster))
      await change(client, { waitForUnreachable: wait }, signal);
    say(io, presentText(present, waitOf(cluster), wait));
    return present;
  }
  const [leases, nodes] = await Promise.all([
    client.list('Lease', { namespace: leaseNamespace, signal }),
    client.list('Node', { signal }),
  ]);
  const alive = new Set(leases.items.map(({ metadata }) => serverOfLease(metadata.name)));
  const isAlive = (name: string): boolean => alive.has(name);
  const waited = wait ?? waitOf(cluster);
  for (const line of planLines(cluster, nodes.items, isAlive, waited)) say(io, line);
  if (!yes && !(await consent(io, signal))) {
    note(io, 'nothing was changed');
    return undefined;
  }
  const rotation = Math.max(cluster.spec.ca?.rotation ?? 0, cluster.status?.ca?.rotation ?? 0) + 1;
  // Two who ask at once mean the same one.
  await change(client, { rotation, ...(wait === undefined ? {} : { waitForUnreachable: wait }) }, signal);
  say(io, `rotation ${String(rotation)} is asked for`);
  return rotation;
}

/** Who asks while one is under way begins no other. Pure. */
export const presentText = (rotation: number, waited: string, wait: string | undefined): string =>
  `rotation ${String(rotation)} is under way and is followed; no other is begun. --wait-for-unreachable ` +
  (wait === undefined || wait === waited ? `stays ${waited}` : `is ${wait} from now on (it was ${waited})`);

/** A rotation cannot be called back, so that silence is no consent to it. Throws where there is nobody to ask. */
function consent(io: Io, signal: AbortSignal): Promise<boolean> {
  if (!canAsk(io))
    throw usageError(
      'the CA is replaced only when somebody agrees, and nobody can be asked outside a terminal',
      'read the plan above, then run this again with --yes',
    );
  return confirm(io, 'Replace the CA?', signal);
}

const change = (client: Client, ca: Cluster['spec']['ca'], signal: AbortSignal): Promise<Cluster> =>
  client.patch('Cluster', { name: clusterName }, 'merge', { spec: { ca } }, { signal });

/** What will be done. Throws when a manager runs that cannot take part. Pure. */
export function planLines(
  { status }: Cluster,
  nodes: readonly Node[],
  isAlive: (manager: string) => boolean,
  wait: string,
): readonly string[] {
  const managers = Object.entries(status?.managers ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const older = managers
    .filter(([name, { pki }]) => isAlive(name) && pki === undefined)
    .map(([name]) => name);
  if (older.length > 0)
    throw new CliError(`${older.join(', ')} cannot take part: orc there is of an older version`, {
      remedy: 'bring orc on all managers up to date, one after the other, then run this again',
    });
  const issuer = managers.find(([name]) => isAlive(name))?.[1].pki?.issuer;
  const isConnected = ({ status: node }: Node): boolean =>
    node?.conditions?.some(({ type, status: is }) => type === 'Connected' && is === 'True') === true;
  const away = [
    ...managers.filter(([name]) => !isAlive(name)).map(([name]) => `manager ${name}`),
    ...nodes.filter((node) => !isConnected(node)).map(({ metadata }) => `node ${metadata.name}`),
  ];
  const old = nodes.filter((node) => isConnected(node) && node.status?.certificate === undefined);
  return [
    `The CA ${short(issuer)} is replaced by a new one, and all certificates with it:`,
    `  ${String(managers.length)} managers, one at a time, each restarting its etcd twice; then ${String(nodes.length)} nodes, all at once`,
    '  no container is touched; meanwhile no manager can be added',
    '  this context is renewed; copies of it elsewhere are worthless afterwards, as are tokens shown before',
    '  earlier backups hold the old CA: make a new one afterwards',
    ...(away.length === 0
      ? []
      : [`  out of reach now: ${away.join(', ')}; who is not there within ${wait} must join again`]),
    ...(old.length === 0
      ? []
      : [
          `  older orc on ${old.map(({ metadata }) => metadata.name).join(', ')}: waited for until it is updated`,
        ]),
  ];
}
