/** Makes and removes WireGuard devices. */
import { generateKeyPairSync } from 'node:crypto';
import type { CommandResult, Run } from '../commands.ts';
import type { Method } from './types.ts';

export interface NewDevice {
  readonly name: string;
  readonly method: Method;
  /** UDP port; 0: any. */
  readonly port: number;
  readonly inner: string;
  readonly mtu: number;
  /** Says that it is complete, and so comes last. */
  readonly alias: string;
}

/**
 * Makes a device with a key of its own, which is in it and nowhere else: neither on disk, nor in a list of processes.
 * Throws with what the kernel or the command said; what was made until then is recognised by its missing alias.
 */
export async function makeDevice(run: Run, device: NewDevice): Promise<void> {
  const { name, method, port, inner, mtu, alias } = device;
  if (port !== 0) await checkPort(run, port);
  if (method === 'wireguard')
    must(await run(['ip', 'link', 'add', 'dev', name, 'type', 'wireguard']), method);
  // In a session of its own: it lives as long as its device, whatever becomes of the agent or its terminal.
  else must(await run(['env', '-u', 'LOG_LEVEL', 'setsid', 'wireguard-go', name]), method);
  await configure(
    run,
    'setconf',
    name,
    `[Interface]\nPrivateKey = ${newPrivateKey()}\nListenPort = ${String(port)}\n`,
  );
  // Where the host turns IPv6 off for new devices, it is still there.
  await run(['tee', `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`], '0');
  const lines = [
    `link set dev ${name} addrgenmode none`,
    `link set dev ${name} mtu ${String(mtu)}`,
    `addr add ${inner}/128 dev ${name} nodad`,
    `link set dev ${name} up`,
    `link set dev ${name} alias ${alias}`,
  ];
  must(await run(['ip', '-batch', '-'], `${lines.join('\n')}\n`), 'ip');
}

/** The process of a device in user space ends with it. */
export const removeDevice = (run: Run, name: string): Promise<CommandResult> =>
  run(['ip', 'link', 'del', 'dev', name]);

/** `wg` opens its input by name, which only a pipe can be; what Node gives is a socket. */
export async function configure(
  run: Run,
  verb: 'setconf' | 'addconf',
  device: string,
  text: string,
): Promise<void> {
  must(await run(['sh', '-c', `cat | wg ${verb} "$0" /dev/stdin`, device], text), 'wg');
}

function newPrivateKey(): string {
  const { d = '' } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  return Buffer.from(d, 'base64url').toString('base64');
}

/** The process of a device says nowhere that it could not have its port. */
async function checkPort(run: Run, port: number): Promise<void> {
  const { code, stdout } = await run(['ss', '-Hlun', `sport = :${String(port)}`]);
  if (code === 0 && stdout.trim() !== '')
    throw new Error(`something else listens on UDP port ${String(port)}, which encrypted networks need`);
}

function must({ code, stderr }: CommandResult, what: string): void {
  if (code === 0) return;
  // wireguard-go begins with a box that says that kernels have WireGuard.
  const said = stderr
    .split('\n')
    .filter((line) => !/^[┌│└]/.test(line))
    .join(' ')
    .trim();
  throw new Error(`${what}: ${said || `exit ${String(code)}`}`);
}
