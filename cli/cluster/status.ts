/** `orc cluster status`. */
import { formatBytes } from '../../api-schemas/units.ts';
import type { Context, ExitCode } from '../command.ts';
import { say, type Io } from '../io.ts';
import { humanDuration } from '../output/age.ts';
import { paletteFor } from '../output/color.ts';
import { renderTable } from '../output/table.ts';
import { toJson } from '../output/yaml.ts';
import { caOfCluster, phaseText, underWay } from './ca-view.ts';
import { lagsOf, membersOf, problemsOf, type Problem } from './problems.ts';
import { adviceFor } from './quorum.ts';
import { gather, type ManagerReport, type Report } from './report.ts';

/** 1 when something needs a person. */
export async function clusterStatus(context: Context, output: 'json' | undefined): Promise<ExitCode> {
  const { client } = await context.connect();
  const report = await gather(client, context.clock);
  const problems = problemsOf(report);
  if (output === 'json') context.io.stdout.write(toJson(jsonOf(report, problems)));
  else print(context.io, report, problems);
  return problems.length === 0 ? 0 : 1;
}

const caOf = ({ managers }: Report) => managers.find(({ status }) => status !== undefined)?.status?.ca;

/** As containers carry it: `dev.orc.cluster`. It stays when the CA is replaced; an older orc does not say it. */
const idOf = ({ managers }: Report): string =>
  managers.find(({ status }) => status?.clusterId !== undefined)?.status?.clusterId ?? 'unknown';

const tokensOf = ({ cluster }: Report) => ({ worker: 1, manager: 1, ...cluster?.spec.tokens });

function jsonOf(report: Report, problems: readonly Problem[]): object {
  const lags = lagsOf(report);
  return {
    id: idOf(report),
    ca: caOf(report),
    tokens: tokensOf(report),
    managers: report.managers.map((manager) => ({
      ...manager,
      reachable: manager.status !== undefined,
      etcdRole: etcdRole(manager),
      lag: lags.get(manager.name),
    })),
    etcdMembers: membersOf(report),
    controllers: report.leaders,
    nodes: report.nodes.map(({ metadata: { name }, spec, status }) => ({
      name,
      role: status?.role,
      state: stateOf(status),
      availability: spec.availability ?? 'active',
    })),
    problems,
  };
}

/** Lines as they are printed. Pure. */
export function linesOf(report: Report): readonly string[] {
  const { managers, leaders, nowMs } = report;
  const ca = caOf(report);
  const lags = lagsOf(report);
  const tokens = tokensOf(report);
  const leaderNames = Object.entries(leaders).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...renderTable(undefined, [
      ['Cluster', idOf(report)],
      ...(ca === undefined ? [] : [['CA', `sha256 ${ca.digest}, until ${ca.notAfter.slice(0, 10)}`]]),
      [
        'Tokens',
        `worker: generation ${String(tokens.worker)}, manager: generation ${String(tokens.manager)}`,
      ],
      ...rotationLine(report),
      ['Nodes', nodesLine(report)],
      ['Leaders', byHolder(leaderNames)],
    ]),
    '',
    ...renderTable(
      [
        'MANAGER',
        'STATE',
        'ADDRESS',
        'VERSION',
        'UPTIME',
        'ETCD',
        'INDEX',
        'BEHIND',
        'DB',
        'SESSIONS',
        'CERTIFICATES',
      ],
      managers.map((manager) => rowOf(manager, lags.get(manager.name), nowMs)),
    ),
  ];
}

function rotationLine({ cluster }: Report): readonly (readonly string[])[] {
  const rotation = underWay(cluster);
  const ca = caOfCluster(cluster);
  if (rotation === undefined) return [];
  const how = ca === undefined || ca.phase === 'Done' ? 'not begun' : phaseText(ca);
  return [['New CA', `rotation ${String(rotation)}, ${how} (\`orc ca status\`)`]];
}

function rowOf(manager: ManagerReport, lag: number | undefined, nowMs: number): readonly string[] {
  const { name, url, status } = manager;
  const address = url.replace(/^https:\/\//, '');
  if (status === undefined) return [name, 'Unreachable', address, ...Array.from({ length: 8 }, () => '-')];
  const own = status.etcd?.own;
  return [
    name,
    status.isCurrent ? 'Ready' : 'Stale',
    address,
    status.version,
    humanDuration(nowMs - Date.parse(status.since)),
    etcdRole(manager),
    own === undefined ? '-' : String(own.raftIndex),
    lag === undefined ? '-' : String(lag),
    own === undefined ? '-' : formatBytes(own.dbBytes),
    String(status.sessions),
    status.certificatesUntil.slice(0, 10),
  ];
}

function etcdRole({ status }: ManagerReport): string {
  const own = status?.etcd?.own;
  if (own === undefined) return status?.etcdProblem === undefined && status !== undefined ? 'external' : '-';
  const role = own.isLeader
    ? 'leader'
    : own.isLearner
      ? 'learner'
      : own.leaderId === undefined
        ? 'no leader'
        : 'voter';
  const alarms = own.alarms.filter(({ memberId }) => memberId === own.id).map(({ kind }) => kind);
  return [role, ...alarms].join(', ');
}

const stateOf = (status: Report['nodes'][number]['status']): string => {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  return ready?.status === 'True' ? 'Ready' : (ready?.reason ?? 'NotReported');
};

function nodesLine({ nodes }: Report): string {
  const states = new Map<string, number>();
  for (const { spec, status } of nodes) {
    const availability = spec.availability ?? 'active';
    const more = availability === 'active' ? '' : availability === 'pause' ? ', cordoned' : ', draining';
    const state = stateOf(status) + more;
    states.set(state, (states.get(state) ?? 0) + 1);
  }
  const isReady = (state: string): boolean => state.startsWith('Ready');
  const parts = [...states]
    .sort(([a], [b]) => Number(isReady(b)) - Number(isReady(a)) || (a < b ? -1 : 1))
    .map(([state, n]) => `${String(n)} ${state}`);
  return `${String(nodes.length)}: ${parts.join('; ')}`;
}

/** `n1 (gc, nodes), n2 (scheduler)` */
function byHolder(leaders: readonly (readonly [string, string])[]): string {
  const holders = new Map<string, string[]>();
  for (const [name, holder] of leaders) holders.set(holder, [...(holders.get(holder) ?? []), name]);
  const parts = [...holders].map(([holder, names]) => `${holder} (${names.join(', ')})`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function print(io: Io, report: Report, problems: readonly Problem[]): void {
  const { red, cyan, green } = paletteFor(io.color);
  for (const line of linesOf(report)) say(io, line);
  say(io);
  const advice = adviceFor(report.managers.length);
  if (advice !== undefined && report.nodes.length > 1) say(io, advice);
  if (problems.length === 0) say(io, green('all is well'));
  for (const { message, remedy } of problems) {
    say(io, `${red('problem:')} ${message}`);
    say(io, `  ${cyan('hint:')} ${remedy}`);
  }
}
