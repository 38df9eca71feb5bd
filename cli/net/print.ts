/** The check as text. Pure. */
import type { NetCheckReport } from '../../api-schemas/index.ts';
import type { Palette } from '../output/color.ts';
import { renderTable } from '../output/table.ts';
import type { Diagnosis, Problem } from './diagnose.ts';
import type { Gathered } from './gather.ts';
import { brokenWays } from './ways.ts';

/** Nodes that a matrix has room for. */
const mostColumns = 16;
const mostProblems = 50;
const mostNotes = 10;

export interface PrintOptions {
  readonly wide: boolean;
  readonly palette: Palette;
}

export function linesOf(gathered: Gathered, diagnosis: Diagnosis, options: PrintOptions): readonly string[] {
  const { problems, notes } = diagnosis;
  const { palette, wide } = options;
  const shownNotes = wide ? notes : notes.slice(0, mostNotes);
  const blocks = [
    matrix(gathered),
    ...(wide ? [pathTable(gathered.reports), countTable(gathered.reports)] : []),
    problems.slice(0, mostProblems).flatMap((problem) => problemLines(problem, palette)),
    problems.length > mostProblems
      ? [`… and ${String(problems.length - mostProblems)} more failures; \`-o json\` has them all`]
      : [],
    shownNotes.map((note) => palette.dim(`note: ${note}`)),
    notes.length > shownNotes.length
      ? [palette.dim(`… and ${String(notes.length - shownNotes.length)} more notes: -o wide`)]
      : [],
    [summary(gathered, problems, palette)],
  ];
  return blocks.filter((lines) => lines.length > 0).flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]));
}

/** From the row to the column. */
function matrix(gathered: Gathered): readonly string[] {
  const { nodes, reports, silent } = gathered;
  if (nodes.length < 2 || nodes.length > mostColumns) return [];
  const broken = brokenWays(gathered);
  const reportOf = new Map(reports.map((report) => [report.node, report]));
  const cell = (from: string, to: string): string => {
    if (from === to) return '-';
    const ways = broken.filter((way) => way.from === from && way.to === to);
    if (ways.some(({ kind }) => kind === 'all')) return 'FAILS';
    if (ways.length > 0) return 'MTU';
    if (silent.has(from) || silent.has(to)) return '?';
    const paths = [
      ...(reportOf.get(from)?.paths.filter(({ peer }) => peer === to) ?? []),
      ...(reportOf.get(to)?.paths.filter(({ peer }) => peer === from) ?? []),
    ];
    if (paths.some(({ error, small }) => error !== undefined && !small)) return 'FAILS';
    return paths.length === 0 ? 'none' : 'ok';
  };
  return renderTable(
    ['FROM \\ TO', ...nodes.map(({ name }) => name)],
    nodes.map(({ name }) => [name, ...nodes.map((to) => cell(name, to.name))]),
  );
}

const pathTable = (reports: readonly NetCheckReport[]): readonly string[] => {
  const rows = reports.flatMap(({ node, paths }) =>
    paths.map(({ network, peer, small, full, mtu, ms, passes }) => [
      ...[network, node, peer, small ? `${String(ms ?? '?')} ms` : 'no answer'],
      full ? String(mtu) : small ? `${String(passes ?? 0)} of ${String(mtu)}` : '-',
    ]),
  );
  return rows.length === 0 ? [] : renderTable(['NETWORK', 'FROM', 'TO', 'ANSWER', 'BYTES'], rows);
};

/** What agents have counted since they started. */
const countTable = (reports: readonly NetCheckReport[]): readonly string[] => {
  const names = [...new Set(reports.flatMap(({ counts }) => Object.keys(counts)))];
  const rows = names.map((name) => [name, ...reports.map(({ counts }) => String(counts[name] ?? 0))]);
  return rows.length === 0 ? [] : renderTable(['SINCE ITS START', ...reports.map(({ node }) => node)], rows);
};

function problemLines(
  { step, from, to, message, remedy, networks }: Problem,
  palette: Palette,
): readonly string[] {
  const where =
    to === undefined || (from.includes(to) && from.length === 1)
      ? from.join(', ')
      : `${from.join(', ')} -> ${to}`;
  const on = networks.length === 0 ? '' : ` [${networks.join(', ')}]`;
  return [
    `${palette.red(words[step])}  ${palette.bold(where)}${on}  ${message}`,
    `  ${palette.yellow(remedy)}`,
  ];
}

const words: Readonly<Record<Problem['step'], string>> = {
  agent: 'agent',
  local: 'node',
  underlay: 'underlay',
  tunnel: 'tunnel',
  mtu: 'MTU',
  name: 'name',
  virtualIP: 'virtual IP',
  endpoint: 'endpoint',
  port: 'published port',
};

function summary({ reports }: Gathered, problems: readonly Problem[], palette: Palette): string {
  const sum = (of: (report: NetCheckReport) => number): number =>
    reports.reduce((all, report) => all + of(report), 0);
  const networks = new Set(reports.flatMap((report) => report.networks)).size;
  const parts = [
    count(reports.length, 'node'),
    `${count(
      sum(({ paths }) => paths.length),
      'path',
    )} on ${count(networks, 'network')}`,
    count(
      sum(({ tried }) => tried.name ?? 0),
      'name',
    ),
    count(
      sum(({ tried }) => tried.virtualIP ?? 0),
      'virtual IP',
    ),
    count(
      sum(({ tried }) => tried.endpoint ?? 0),
      'endpoint',
    ),
    count(
      sum(({ tried }) => tried.port ?? 0),
      'published port',
    ),
  ];
  const verdict =
    problems.length === 0 ? palette.green('all is well') : palette.red(count(problems.length, 'failure'));
  return `${verdict}: ${parts.join(', ')} tried`;
}

const count = (n: number, noun: string): string => `${String(n)} ${noun}${n === 1 ? '' : 's'}`;
