/**
 * What works of the networks of this node: one check when it is asked for (`orc net check`), and a small one of the
 * peers all the time. Everything is bounded, and what is left out is said.
 */
import type {
  NetCheckFailure,
  NetCheckHeard,
  NetCheckPath,
  NetCheckReach,
  NetCheckReport,
  NetCheckRequest,
  NetworkProblem,
  NodeStatus,
} from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { startTimeOf } from '../../kit/process.ts';
import type { Logger } from '../../kit/log.ts';
import type { Run } from '../network/commands.ts';
import type { IngressPort } from '../network/ingress/ports.ts';
import type { NetState } from '../network/state.ts';
import { gone, inNamespaceOf } from '../network/vip/namespace.ts';
import { Limiter } from '../tasks/limiter.ts';
import type { Heard } from './heard.ts';
import { pathsOn } from './paths.ts';
import { checkPorts, openTCP } from './ports.ts';
import { reachOf } from './probe.ts';
import { programArgv, type ProgramOutput } from './program.ts';
import { judge, planServices, programInput, type ServicePlan } from './services.ts';
import { answering } from './peers.ts';
import { Watch } from './watch.ts';

export interface NetCheckOptions {
  readonly node: string;
  readonly address: () => string | undefined;
  readonly state: () => NetState;
  readonly heard: Heard;
  /** Published ports, as loaded. */
  readonly ports: () => readonly IngressPort[];
  readonly problems: () => readonly NetworkProblem[];
  /** What is not as it should be in the kernel, at this moment; it is repaired soon after. */
  readonly differences: () => Promise<readonly NetworkProblem[]>;
  readonly counts: () => Readonly<Record<string, number>>;
  /** Runs one command in a container's namespace. */
  readonly run: Run;
  readonly clock: Clock;
  readonly logger: Logger;
  /** `status` is another by now. */
  readonly onChange: () => void;
}

/** Nodes that share no network with this one and are looked at all the same: those that follow it by name. */
const mostReaches = 64;
const mostPorts = 200;
const mostBackends = 16;
/** Of a report. */
const mostFailures = 500;
/** Of a status. */
const mostTold = 32;
const mostProblems = 16;
/** Containers looked into at once. */
const containersAtOnce = 4;
const reachesAtOnce = 32;

export class NetCheck {
  readonly #options: NetCheckOptions;
  readonly #watch: Watch;
  /** Checks of several people at once would only measure each other. */
  readonly #turn = new Limiter(1);

  constructor(options: NetCheckOptions) {
    this.#options = options;
    this.#watch = new Watch(options);
  }

  /** What is wrong, as the Node object has it; undefined when nothing is. */
  status(): NodeStatus['network'] {
    const problems = this.#options.problems().slice(0, mostProblems);
    const { peers, unanswered } = this.#watch.current();
    if (problems.length === 0 && unanswered.length === 0) return undefined;
    return {
      ...(problems.length === 0 ? {} : { problems }),
      ...(unanswered.length === 0
        ? {}
        : { peers, failing: unanswered.length, unanswered: unanswered.slice(0, mostTold) }),
    };
  }

  async check(request: NetCheckRequest): Promise<NetCheckReport | NetCheckHeard> {
    const { node, heard } = this.#options;
    if (request.heard === true) return { node, heard: heard.of(request.id) };
    return this.#turn.run(() => this.#check(request));
  }

  close(): void {
    this.#watch.close();
  }

  async #check(request: NetCheckRequest): Promise<NetCheckReport> {
    const { node, problems, counts, state: stateOf } = this.#options;
    const state = stateOf();
    const wanted = request.networks === undefined ? undefined : new Set(request.networks);
    const networks = state.networks.filter(({ key }) => wanted?.has(key) ?? true);
    const keys = new Set(networks.map(({ key }) => key));
    const address = this.#options.address();
    const isWhole = request.peer === undefined;
    // Before the probes, which last longer than it takes to be repaired.
    const differences = await this.#options.differences();
    const [paths, reaches] = await Promise.all([
      this.#paths({ ...state, networks }, request),
      wanted === undefined ? this.#reaches(state, request) : { reaches: [], skipped: [] },
    ]);
    const services = isWhole ? await this.#services(state, keys) : nothing;
    const ports = isWhole
      ? await checkPorts({
          ports: portsOn(this.#options.ports(), state, keys),
          ...{ endpoints: state.endpoints, address, open: openTCP },
          limits: { ports: mostPorts, endpoints: mostBackends },
        })
      : nothing;
    const failures = [...services.failures, ...ports.failures];
    const { probes, failures: failed } = this.#watch.counts();
    return {
      node,
      ...(address === undefined ? {} : { address }),
      networks: [...keys],
      paths,
      reaches: reaches.reaches,
      failures: failures.slice(0, mostFailures),
      tried: { ...services.steps, port: ports.tried },
      problems: [...problems(), ...differences],
      skipped: [
        ...reaches.skipped,
        ...services.skipped,
        ...ports.skipped,
        ...(failures.length > mostFailures
          ? [`${String(failures.length - mostFailures)} more failures`]
          : []),
      ],
      counts: { ...counts(), probes, probeFailures: failed },
    };
  }

  async #paths(state: NetState, { id, peer }: NetCheckRequest): Promise<readonly NetCheckPath[]> {
    const { clock } = this.#options;
    const all = state.networks.map(async (network): Promise<readonly NetCheckPath[]> => {
      const peers = answering(state, network.key).filter(({ node }) => peer === undefined || node === peer);
      return peers.length === 0 ? [] : pathsOn(network, peers, { id, clock, measure: true });
    });
    return (await Promise.all(all)).flat();
  }

  /** Of the others, those that follow this node in the order of names: so each pair is looked at from one end at least. */
  async #reaches(
    { peers }: NetState,
    { nodes, peer }: NetCheckRequest,
  ): Promise<{ readonly reaches: readonly NetCheckReach[]; readonly skipped: readonly string[] }> {
    const shared = new Set(peers.map(({ node }) => node));
    const own = nodes.findIndex(({ name }) => name === this.#options.node);
    const others = [...nodes.slice(own + 1), ...nodes.slice(0, Math.max(0, own))].filter(
      ({ name }) => !shared.has(name) && (peer === undefined || name === peer),
    );
    const limiter = new Limiter(reachesAtOnce);
    const reaches = others.slice(0, mostReaches).map(({ name, address }) =>
      limiter.run(async (): Promise<NetCheckReach> => ({
        peer: name,
        address,
        reach: await reachOf(address),
      })),
    );
    const left = others.length - reaches.length;
    return {
      reaches: await Promise.all(reaches),
      skipped: left <= 0 ? [] : [`the addresses of ${String(left)} nodes that share no network with it`],
    };
  }

  async #services(state: NetState, networks: ReadonlySet<string>): Promise<Outcome> {
    const { plans, skipped } = planServices(state.attached, state.endpoints, networks);
    const limiter = new Limiter(containersAtOnce);
    const all = await Promise.all(plans.map((plan) => limiter.run(() => this.#within(plan))));
    const count = (step: 'virtualIP' | 'endpoint'): number =>
      plans.reduce((sum, { connects }) => sum + connects.filter((one) => one.step === step).length, 0);
    return {
      failures: all.flatMap(({ failures }) => failures),
      skipped: [...skipped, ...all.flatMap(({ skipped: why }) => why)],
      steps: {
        name: plans.reduce((sum, { names }) => sum + names.length, 0),
        virtualIP: count('virtualIP'),
        endpoint: count('endpoint'),
      },
    };
  }

  /** What a container sees, by one process in its network namespace. */
  async #within(plan: ServicePlan): Promise<Pick<Outcome, 'failures' | 'skipped'>> {
    const { container, task } = plan.container;
    const { name } = task.metadata;
    const pid = container.pid ?? 0;
    const startTime = startTimeOf(pid);
    const left = (why: string): Pick<Outcome, 'failures' | 'skipped'> => ({
      failures: [],
      skipped: [`the services as task ${name} sees them: ${why}`],
    });
    try {
      if (startTime === undefined) return left('its container has ended');
      const result = await inNamespaceOf({ pid, startTime }, this.#options.run, (run) =>
        run(programArgv, JSON.stringify(programInput(plan))),
      );
      if (result === gone) return left('its container has ended');
      if (result.code !== 0) return left(result.stderr.trim().slice(0, 300) || `exit ${String(result.code)}`);
      return { failures: judge(plan, JSON.parse(result.stdout) as ProgramOutput), skipped: [] };
    } catch (error) {
      return left(messageOf(error));
    }
  }
}

interface Outcome {
  readonly failures: readonly NetCheckFailure[];
  readonly skipped: readonly string[];
  readonly steps: NetCheckReport['tried'];
}

const nothing = { failures: [], skipped: [], steps: {}, tried: 0 } as const;

/** The ports of services whose first network, through which they are answered, is one of these. */
function portsOn(
  ports: readonly IngressPort[],
  { endpoints }: NetState,
  networks: ReadonlySet<string>,
): readonly IngressPort[] {
  const first = new Map(
    endpoints.map(({ metadata: { namespace = 'default', name }, networks: own }) => [
      `${namespace}/${name}`,
      own?.[0] === undefined ? undefined : `${namespace}/${own[0].network}`,
    ]),
  );
  return ports.filter(({ namespace, service }) => {
    const network = first.get(`${namespace}/${service}`);
    return network === undefined || networks.has(network);
  });
}
