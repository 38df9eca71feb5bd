import { messageOf } from '../../../kit/errors.ts';
import type { Run } from '../commands.ts';
import { makeDevice, removeDevice } from './device.ts';
import { usualMtu } from './names.ts';
import type { Ability, Method } from './types.ts';

/** Of which the kernel's is tried first. */
const methods: readonly Method[] = ['wireguard', 'wireguard-go'];

const remedy: Readonly<Record<Method, string>> = {
  wireguard: 'the kernel (5.6 or later has it)',
  'wireguard-go': 'the Debian package wireguard-go',
};

/**
 * Finds out how this node can encrypt, by doing it: makes a device, sets it up, and removes it. Where nothing works it
 * says what the kernel and the commands said. Never throws.
 */
export async function probe(run: Run, tag: string, inner: string): Promise<Ability> {
  for (const [command, name] of [
    ['wg', 'wireguard-tools'],
    ['nft', 'nftables'],
  ] as const)
    if ((await run([command, '--version'])).code === 127)
      return { error: `${command} is not installed: install the Debian package ${name}` };
  const name = `ow${tag}-p`;
  const failures: string[] = [];
  for (const method of methods) {
    // What an earlier try left, whose agent was killed.
    await removeDevice(run, name);
    try {
      await makeDevice(run, { name, method, port: 0, inner, mtu: usualMtu, alias: 'probe' });
      return { method };
    } catch (error) {
      failures.push(messageOf(error));
    } finally {
      await removeDevice(run, name);
    }
  }
  const all = methods.map((method) => remedy[method]).join(', or ');
  return { error: `${failures.join('; ')}: needs ${all}` };
}
