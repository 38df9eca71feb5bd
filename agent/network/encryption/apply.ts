import type { Run } from '../commands.ts';
import { configure, makeDevice, removeDevice } from './device.ts';
import { aliasOf, innerRange, portOf } from './names.ts';
import { keepaliveSeconds } from './plan.ts';
import { meshRules, withoutRules } from './rules.ts';
import type { Ability, MeshLine, MeshOp, MeshStep, WantedLink } from './types.ts';

export interface Doing {
  readonly run: Run;
  readonly tag: string;
  readonly ability: Ability;
  readonly inner: string;
  readonly mtu: number;
  readonly nowMs: number;
}

/**
 * Makes the changes, in their order; those of addresses and routes that follow each other in one batch. Throws at the
 * first that fails: what comes after it may rely on it.
 */
export async function applyMesh(doing: Doing, ops: readonly MeshOp[]): Promise<void> {
  let batch: string[] = [];
  const flush = async (): Promise<void> => {
    if (batch.length > 0) await must(doing.run, ['ip', '-batch', '-'], `${batch.join('\n')}\n`);
    batch = [];
  };
  for (const op of ops) {
    if (isLine(op)) batch.push(lineOf(op));
    else {
      await flush();
      await step(doing, op);
    }
  }
  await flush();
}

const lines: readonly string[] = [
  'guard',
  'setMtu',
  'addAddress',
  'removeAddress',
  'setUp',
  'route',
  'unroute',
] satisfies readonly MeshLine['kind'][];
const isLine = (op: MeshOp): op is MeshLine => lines.includes(op.kind);

/** In the words of `ip -batch`. Pure. */
function lineOf(op: MeshLine): string {
  switch (op.kind) {
    case 'guard':
      return `route replace unreachable ${innerRange}`;
    case 'setMtu':
      return `link set dev ${op.device} mtu ${String(op.mtu)}`;
    case 'addAddress':
      return `addr add ${op.address}/128 dev ${op.device} nodad`;
    case 'removeAddress':
      return `addr del ${op.address} dev ${op.device}`;
    case 'setUp':
      return `link set dev ${op.device} up`;
    case 'route':
      return `route replace ${op.inner}/128 dev ${op.device}`;
    case 'unroute':
      return `route del ${op.inner}/128 dev ${op.device}`;
  }
}

async function step(doing: Doing, op: MeshStep): Promise<void> {
  const { run, tag, ability, inner, mtu, nowMs } = doing;
  switch (op.kind) {
    case 'rules':
      return must(run, ['nft', '-f', '-'], meshRules(tag));
    case 'unrule':
      return must(run, ['nft', '-f', '-'], withoutRules(tag));
    case 'unguard': {
      // Other agents of this machine may have a mesh, too.
      const { stdout } = await run(['ip', '-o', 'link', 'show']);
      if (!/^\d+: ow[0-9a-f]{4}-/m.test(stdout))
        await run(['ip', '-6', 'route', 'del', 'unreachable', innerRange]);
      return;
    }
    case 'make': {
      if ('error' in ability) throw new Error(ability.error);
      const { device: name, epoch } = op;
      const { method } = ability;
      const device = { name, method, inner, mtu, port: portOf(epoch), alias: aliasOf(epoch, nowMs) };
      return makeDevice(run, device);
    }
    case 'remove':
      return void (await removeDevice(run, op.device));
    case 'link':
      if (op.remove.length > 0)
        await must(run, ['wg', 'set', op.device, ...op.remove.flatMap((key) => ['peer', key, 'remove'])]);
      if (op.set.length > 0) await configure(run, 'addconf', op.device, op.set.map(stanza).join('\n'));
  }
}

const stanza = ({ publicKey, endpoint, allowed }: WantedLink): string =>
  `[Peer]
PublicKey = ${publicKey}
AllowedIPs = ${allowed.join(', ')}
Endpoint = ${endpoint}
PersistentKeepalive = ${String(keepaliveSeconds)}
`;

async function must(run: Run, argv: readonly string[], stdin?: string): Promise<void> {
  const { code, stderr } = await run(argv, stdin);
  if (code !== 0)
    throw new Error(`${argv[0] ?? ''}: ${stderr.trim().slice(0, 500) || `exit ${String(code)}`}`);
}
