// Runs inside a node of a lab and prints what kernel and engine have of networks, as they tell it, in one JSON object.
// Judges nothing: see found.ts.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';

const run = (argv) =>
  new Promise((resolve) => {
    const [command, ...args] = argv;
    execFile(command, args, { maxBuffer: 64 << 20 }, (error, stdout) => resolve(error ? undefined : stdout));
  });
const json = async (...argv) => {
  const text = await run(argv);
  return text === undefined || text.trim() === '' ? [] : JSON.parse(text);
};

const ask = (path) =>
  new Promise((resolve, reject) => {
    request({ socketPath: '/run/docker.sock', path, timeout: 20_000 }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => (text += part));
      answer.on('end', () =>
        answer.statusCode === 200
          ? resolve(JSON.parse(text))
          : answer.statusCode === 404
            ? resolve(undefined)
            : reject(new Error(`${path}: ${answer.statusCode} ${text}`)),
      );
    })
      .on('error', reject)
      .end();
  });

/** The namespace of one container; its three listings, one a line. */
const listings = 'ip -j addr; echo; ip -j -4 route; echo; nft -j list table ip orc 2>/dev/null || echo';

async function containerOf({ Id }) {
  const info = await ask(`/containers/${Id}/json`);
  if (info === undefined) return [];
  const pid = info.State.Running ? info.State.Pid : 0;
  const text = pid === 0 ? undefined : await run(['nsenter', '-t', String(pid), '-n', 'sh', '-c', listings]);
  const [addr, route, nft] = (text ?? '')
    .split('\n')
    .filter((line) => line.startsWith('[') || line.startsWith('{'));
  const parse = (line) => (line === undefined ? [] : JSON.parse(line));
  const labels = info.Config.Labels;
  return [
    { id: Id, pid, labels, addr: parse(addr), route: parse(route), nft: nft && JSON.parse(nft).nftables },
  ];
}

const ours = encodeURIComponent(JSON.stringify({ label: ['dev.orc.node'] }));
async function main() {
  const [links, routes, neighbours, entries, ports, tables, iptables, flows, networks, listed] =
    await Promise.all([
      json('ip', '-j', '-d', 'addr', 'show'),
      json('ip', '-j', '-4', 'route', 'show'),
      json('ip', '-j', '-4', 'neigh', 'show', 'nud', 'permanent'),
      json('bridge', '-j', 'fdb', 'show'),
      json('bridge', '-d', '-j', 'link', 'show'),
      json('nft', '-j', 'list', 'tables'),
      run(['iptables-save']),
      run(['conntrack', '-L', '-p', 'udp']),
      ask('/networks'),
      ask(`/containers/json?all=1&filters=${ours}`),
    ]);
  const own = tables.nftables.flatMap(({ table }) => (table?.name.startsWith('orc') ? [table] : []));
  const rules = await Promise.all(
    own.map(async ({ family, name }) => ({
      ...{ family, name },
      nft: (await json('nft', '-j', 'list', 'table', family, name)).nftables,
    })),
  );
  const bridges = networks.flatMap(({ Options }) => Options?.['com.docker.network.bridge.name'] ?? []);
  const localnet = await Promise.all(
    bridges.map(async (name) => [
      name,
      (await readFile(`/proc/sys/net/ipv4/conf/${name}/route_localnet`, 'utf8').catch(() => '')).trim(),
    ]),
  );
  const containers = (await Promise.all(listed.map(containerOf))).flat();
  return {
    ...{ links, routes, neighbours, entries, ports, rules, networks, containers },
    ...{ iptables: iptables ?? '', flows: flows ?? '', localnet: Object.fromEntries(localnet) },
  };
}

process.stdout.write(JSON.stringify(await main()));
