import type { Run } from '../commands.ts';
import { isDeviceOf } from './wanted.ts';

/** Removes the tunnels of an agent that is no more; may be repeated. */
export async function clearTunnels(run: Run, tag: string): Promise<void> {
  const { code, stdout } = await run(['ip', '-j', 'link', 'show', 'type', 'vxlan']);
  if (code !== 0 || stdout.trim() === '') return;
  const links = JSON.parse(stdout) as readonly { readonly ifname?: string }[];
  for (const { ifname = '' } of links)
    if (isDeviceOf(tag, ifname)) await run(['ip', 'link', 'del', 'dev', ifname]);
}
