/** What fails, from where to where, at which step, and what to do. Pure. */
import {
  udpPortsOf,
  type NetCheckFailure,
  type NetCheckPath,
  type NetCheckStep,
} from '../../api-schemas/index.ts';
import type { Gathered } from './gather.ts';
import { brokenWays, cutOff, type Broken, type CutOff } from './ways.ts';

export interface Problem {
  readonly step: NetCheckStep | 'agent';
  /** Nodes that see it. */
  readonly from: readonly string[];
  /** Node that it is about; absent when it is the same. */
  readonly to?: string;
  readonly networks: readonly string[];
  readonly service?: string;
  readonly message: string;
  readonly remedy: string;
}

export interface Diagnosis {
  readonly problems: readonly Problem[];
  /** What is no failure, and is to be known: what was left out, and what cannot be told. */
  readonly notes: readonly string[];
}

export function diagnose(gathered: Gathered): Diagnosis {
  const broken = brokenWays(gathered);
  const { alone, ways } = cutOff(broken, gathered);
  /** What `a` tries to reach on `b` fails with the path between them. */
  const isBroken = (a: string, b: string): boolean =>
    broken.some(({ from, to }) => (from === a && to === b) || (from === b && to === a)) ||
    (gathered.silent.has(b) && hasNoAnswer(gathered, a, b));
  const all = gathered.reports.flatMap(({ node, failures }) =>
    failures.map((failure) => ({ seenBy: node, failure })),
  );
  // What goes over a path that is broken fails with it: it is no news.
  const own = all.filter(
    ({ seenBy, failure }) => failure.node === undefined || !isBroken(seenBy, failure.node),
  );
  const { reports, silent } = gathered;
  return {
    problems: [
      ...[...silent].map(([node, why]) => agentProblem(node, why)),
      ...reports.flatMap(({ node, problems }) =>
        problems.map(({ message, reason }) => localProblem(node, reason, message)),
      ),
      ...reports.flatMap(({ node, paths }) => sendingProblems(node, paths)),
      ...alone.map((one) => cutOffProblem(one, gathered)),
      ...ways.map((way) =>
        wayProblem(way, gathered, all.filter(({ seenBy, failure }) => isOver(way, seenBy, failure)).length),
      ),
      ...reports.flatMap(({ node, reaches }) =>
        reaches
          .filter(({ reach }) => reach === 'unreachable')
          .map(({ peer, address }) => noRoute(node, peer, address, [])),
      ),
      ...failureProblems(own),
    ],
    notes: [
      ...reports.flatMap(({ node, reaches }) =>
        reaches
          .filter(({ reach }) => reach === 'silent')
          .map(
            ({ peer, address }) =>
              `${node} hears nothing from ${peer} (${address}), with which it shares no network: a firewall may drop what it does not know`,
          ),
      ),
      ...grouped(reports.flatMap(({ node, skipped }) => skipped.map((what) => ({ what, node })))),
    ],
  };
}

/** Which of two directions it is, a node whose agent is away does not say. */
const hasNoAnswer = ({ reports }: Gathered, from: string, to: string): boolean =>
  reports.some(({ node, paths }) => node === from && paths.some(({ peer, small }) => peer === to && !small));

const isOver = ({ from, to }: Broken, seenBy: string, { node }: NetCheckFailure): boolean =>
  (seenBy === from && node === to) || (seenBy === to && node === from);

function wayProblem(way: Broken, { reports, nodes }: Gathered, consequences: number): Problem {
  const { from, to, kind, networks, paths } = way;
  const addressOf = (name: string): string => nodes.find((node) => node.name === name)?.address ?? name;
  const [a, b] = [`${from} (${addressOf(from)})`, `${to} (${addressOf(to)})`];
  const also = consequences === 0 ? '' : `; ${String(consequences)} connections over it fail, too`;
  const base = { from: [from], to, networks };
  const ports = udpPortsOf(paths);
  if (kind === 'large') {
    const passes = Math.max(...paths.map((path) => path.passes ?? 0));
    const mtu = Math.max(...paths.map((path) => path.mtu));
    const most = passes > 0 ? `; ${String(passes)} bytes do` : '';
    return {
      ...base,
      step: 'mtu',
      message: `packets of ${String(mtu)} bytes from ${a} do not arrive at ${b}${most}${also}`,
      remedy: `let UDP of ${String(mtu + 50)} bytes and its fragments pass between ${addressOf(from)} and ${addressOf(to)}, or make the network anew with \`mtu: ${String(Math.max(576, passes))}\``,
    };
  }
  const reaches = paths.map(({ reach }) => reach);
  if (reaches.includes('unreachable')) return noRoute(from, to, addressOf(to), networks);
  const others = reports.find(({ node }) => node === from)?.paths.filter(({ peer }) => peer === to) ?? [];
  const works = others.find(({ small, network }) => small && !networks.includes(network));
  if (works !== undefined)
    return {
      ...base,
      step: 'tunnel',
      message: `what ${a} sends to ${b} on ${networks.join(', ')} does not arrive, though it does on ${works.network}${also}`,
      remedy: `look at the tunnel of that network on ${from} and ${to}: \`ip -d link show type vxlan\`; the log of the agent there says what it cannot make`,
    };
  if (reaches.every((reach) => reach === 'silent'))
    return {
      ...base,
      step: 'underlay',
      message: `nothing that ${a} sends to ${b} arrives: the address gives no answer at all${also}`,
      remedy: `see that the machine of ${to} is on the network of the others, and open ${ports} from ${addressOf(from)} to ${addressOf(to)}`,
    };
  return {
    ...base,
    step: 'tunnel',
    message: `what ${a} sends to ${b} by ${ports} does not arrive; the address itself answers${also}`,
    remedy: `open ${ports} from ${addressOf(from)} to ${addressOf(to)}`,
  };
}

function cutOffProblem({ node, networks, peers }: CutOff, { nodes, reports }: Gathered): Problem {
  const address = nodes.find(({ name }) => name === node)?.address ?? node;
  const paths = reports.flatMap((report) =>
    report.paths.filter(({ peer }) => report.node === node || peer === node),
  );
  const works = paths.find(({ small, network }) => small && !networks.includes(network));
  const silent = paths.every(({ reach }) => reach !== 'answers');
  const base = { from: [node], networks };
  const ports = udpPortsOf(paths);
  const others = peers.join(', ');
  if (works !== undefined)
    return {
      ...{ ...base, step: 'tunnel' },
      message: `nothing goes between ${node} (${address}) and ${others} on ${networks.join(', ')}, though it does on ${works.network}`,
      remedy: `look at the tunnel of that network on ${node}: \`ip -d link show type vxlan\`; the log of the agent there says what it cannot make`,
    };
  return {
    ...{ ...base, step: silent ? 'underlay' : 'tunnel' },
    message: silent
      ? `nothing goes between ${node} (${address}) and ${others}: the address gives no answer at all`
      : `nothing goes between ${node} (${address}) and ${others} by ${ports}; the address itself answers`,
    remedy: `see that ${node} is on the network of the others, and open ${ports} from and to ${address}`,
  };
}

const noRoute = (from: string, to: string, address: string, networks: readonly string[]): Problem => ({
  ...{ step: 'underlay', from: [from], to, networks },
  message: `${from} has no way to ${to} (${address}): the network between them does not know the address`,
  remedy: `see that ${to} is up and has the address ${address}, and that ${from} has a route to it`,
});

const agentProblem = (node: string, why: string): Problem => ({
  ...{ step: 'agent', from: [node], networks: [] },
  message: `${node} says nothing of its networks: ${why}`,
  remedy: `\`orc describe node ${node}\` says more; start orc there, or mend its way to the managers (TCP 6750)`,
});

const localProblem = (node: string, reason: string, message: string): Problem => ({
  ...{ step: 'local', from: [node], networks: [] },
  message: `${node}: ${message}`,
  remedy: localRemedies[reason] ?? 'mend what it names; the agent tries again by itself',
});

const localRemedies: Readonly<Record<string, string>> = {
  TunnelsFailed:
    'see what else has the device or the port there: `ip -d link show type vxlan`; the agent tries again each second',
  VirtualIPsFailed: 'see whether nft works there: `nft list ruleset`; the agent tries again by itself',
  ToolMissing: 'install it there; the agent goes on by itself',
};

/** What the kernel of a node does not even send. */
function sendingProblems(node: string, paths: readonly NetCheckPath[]): readonly Problem[] {
  const bad = paths.filter(({ error, small }) => error !== undefined && !small);
  const messages = [...new Set(bad.map(({ error }) => error ?? ''))];
  return messages.map((message): Problem => {
    const own = bad.filter(({ error }) => error === message);
    const isRefused = /EPERM/.test(message);
    return {
      ...{ step: 'local', from: [node] },
      networks: [...new Set(own.map(({ network }) => network))],
      message: `${node} does not send to ${[...new Set(own.map(({ peer }) => peer))].join(', ')}: ${message}`,
      remedy: isRefused
        ? `a firewall on ${node} itself drops it as it goes out: see \`nft list ruleset\` there`
        : `the device of the network is missing on ${node} or has lost its address; the agent makes it anew within 5 s: ask again, and see its log`,
    };
  });
}

/** The same failure, seen from several nodes, is one. */
function failureProblems(
  all: readonly { readonly seenBy: string; readonly failure: NetCheckFailure }[],
): readonly Problem[] {
  const groups = new Map<string, { readonly failure: NetCheckFailure; readonly from: Set<string> }>();
  for (const { seenBy, failure } of all) {
    const { step, service, network = '', target, message, node = '' } = failure;
    const key = [step, service, network, target, message, node].join('\n');
    const known = groups.get(key) ?? { failure, from: new Set<string>() };
    groups.set(key, known);
    known.from.add(seenBy);
  }
  return [...groups.values()].map(({ failure, from }): Problem => {
    const { step, service, network, node } = failure;
    return {
      ...{ step, from: [...from].sort(), service, networks: network === undefined ? [] : [network] },
      ...(node === undefined ? {} : { to: node }),
      message: failureText(failure),
      remedy: failureRemedy(failure, [...from].sort()),
    };
  });
}

const whereOf = ({ task, node }: NetCheckFailure): string =>
  task === undefined || node === undefined ? '' : ` (task ${task} on ${node})`;

function failureText(failure: NetCheckFailure): string {
  const { step, service, target, message } = failure;
  switch (step) {
    case 'name':
      return `the name ${target} of service ${service}: ${message}`;
    case 'virtualIP':
      return `the virtual IP ${target} of service ${service}: ${message}, though each of its endpoints answers`;
    case 'endpoint':
      return `the endpoint ${target} of service ${service}${whereOf(failure)}: ${message}`;
    case 'port':
      return `the published port ${target} of service ${service}: ${message}${whereOf(failure)}`;
  }
}

function failureRemedy(
  { step, target, task, node, message }: NetCheckFailure,
  from: readonly string[],
): string {
  const there = from.join(', ');
  if (step === 'name')
    return `see that port 53 of the gateway is open to containers on ${there}; \`orc describe node ${from[0] ?? ''}\``;
  if (step === 'virtualIP')
    return `see the rules in a container on ${there}: \`nsenter -t PID -n nft list table ip orc\``;
  if (task === undefined || node === undefined)
    return `see what other rules take port ${target} on ${there}: \`nft list ruleset\``;
  if (/refuse/.test(message))
    return `have the program in task ${task} listen there on all addresses, or correct \`target\``;
  return `see whether the program in task ${task} answers (\`orc exec ${task} …\`), and whether a firewall on ${node} drops what goes to it`;
}

function grouped(all: readonly { readonly what: string; readonly node: string }[]): readonly string[] {
  const nodes = new Map<string, string[]>();
  for (const { what, node } of all) nodes.set(what, [...(nodes.get(what) ?? []), node]);
  return [...nodes].map(([what, own]) => `not tried on ${own.join(', ')}: ${what}`);
}
