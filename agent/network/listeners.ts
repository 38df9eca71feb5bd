import { readdir, readFile, readlink } from 'node:fs/promises';

/** `/proc/net/tcp*` state of a listening socket. */
const listening = '0A';

/** Inodes of the sockets that hold a local port, in the text of `/proc/net/tcp`, `udp` and their 6 forms. Pure. */
export function socketsOn(port: number, table: string, onlyListening: boolean): readonly string[] {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${hexPort}`) && (!onlyListening || state === listening))
    .map((fields) => fields[9] ?? '');
}

/** Who holds a port on this machine, e.g. `nginx (pid 812)`; undefined when nobody is found. */
export async function portHolder(
  protocol: 'tcp' | 'udp' | 'sctp',
  port: number,
): Promise<string | undefined> {
  if (protocol === 'sctp') return undefined;
  const tables = await Promise.all([protocol, `${protocol}6`].map((name) => read(`/proc/net/${name}`)));
  const inodes = new Set(tables.flatMap((table) => socketsOn(port, table, protocol === 'tcp')));
  if (inodes.size === 0) return undefined;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name)))
    if (await holdsOne(pid, inodes)) return nameOf(pid);
  return undefined;
}

async function holdsOne(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const fd of fds) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    if (inode !== undefined && inodes.has(inode)) return true;
  }
  return false;
}

async function nameOf(pid: string): Promise<string> {
  if (Number(pid) === process.pid) return 'orc itself, for a published port';
  const name = (await read(`/proc/${pid}/comm`)).trim();
  if (name !== 'docker-proxy') return `${name} (pid ${pid})`;
  const container = /-container-ip\0([^\0]+)/.exec(await read(`/proc/${pid}/cmdline`))?.[1];
  return `a container${container === undefined ? '' : ` with address ${container}`} (docker-proxy, pid ${pid})`;
}

const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
