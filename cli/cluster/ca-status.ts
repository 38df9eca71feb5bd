/** `orc ca status`. */
import type { Context, ExitCode } from '../command.ts';
import { say } from '../io.ts';
import { paletteFor } from '../output/color.ts';
import { renderTable } from '../output/table.ts';
import { toJson } from '../output/yaml.ts';
import {
  caOfCluster,
  managerRows,
  nodeRows,
  phaseText,
  remedyOf,
  short,
  skippedText,
  toJoinAgain,
  underWay,
} from './ca-view.ts';
import { gather, type Report } from './report.ts';

/** 1 when someone was skipped, and has to join again. */
export async function caStatus(context: Context, output: 'json' | undefined): Promise<ExitCode> {
  const { io } = context;
  const { client } = await context.connect();
  const report = await gather(client, context.clock);
  const skipped = toJoinAgain(report.cluster);
  if (output === 'json') io.stdout.write(toJson(jsonOf(report)));
  else {
    const { red, cyan } = paletteFor(io.color);
    for (const line of caLines(report)) say(io, line);
    if (skipped.length > 0) say(io);
    for (const id of skipped) {
      say(io, `${red('problem:')} ${skippedText(id)}`);
      say(io, `  ${cyan('hint:')} ${remedyOf(id)}`);
    }
  }
  return skipped.length === 0 ? 0 : 1;
}

const servedBy = ({ managers }: Report) => managers.find(({ status }) => status !== undefined)?.status?.ca;

function jsonOf(report: Report): object {
  const ca = caOfCluster(report.cluster);
  return {
    ca: servedBy(report),
    rotation: ca,
    isUnderWay: underWay(report.cluster) !== undefined,
    managers: Object.entries(report.cluster?.status?.managers ?? {}).map(([name, { pki }]) => ({
      name,
      ...pki,
    })),
    nodes: report.nodes.map(({ metadata: { name }, status }) => ({ name, ...status?.certificate })),
    problems: toJoinAgain(report.cluster).map((id) => ({
      message: skippedText(id),
      remedy: remedyOf(id),
    })),
  };
}

/** Lines as they are printed. Pure. */
export function caLines(report: Report): readonly string[] {
  const { cluster, nodes } = report;
  const [served, ca] = [servedBy(report), caOfCluster(cluster)];
  return [
    ...renderTable(undefined, [
      ...(served === undefined
        ? []
        : [['CA', `sha256 ${served.digest}, until ${served.notAfter.slice(0, 10)}`]]),
      ['Rotation', rotationText(report)],
      ...(ca === undefined || ca.phase === 'Done'
        ? []
        : [
            ['From', `sha256 ${ca.from}`],
            ...(ca.to === undefined ? [] : [['To', `sha256 ${ca.to}`]]),
            ['Waiting for', ca.waitingFor.join('; ') || 'nobody'],
          ]),
    ]),
    '',
    ...renderTable(['MANAGER', 'ISSUES WITH', 'TRUSTS', 'NEXT'], managerRows(cluster)),
    ...(nodes.length === 0
      ? []
      : ['', ...renderTable(['NODES', 'CERTIFICATES OF', 'TRUST', 'NAMES'], nodeRows(nodes))]),
  ];
}

function rotationText({ cluster }: Report): string {
  const ca = caOfCluster(cluster);
  const wanted = underWay(cluster);
  if (ca === undefined || (ca.phase === 'Done' && wanted !== undefined))
    return wanted === undefined ? 'none yet' : `${String(wanted)} is asked for, and not begun`;
  if (ca.phase !== 'Done') return `${String(ca.rotation)}, ${phaseText(ca)} (since ${ca.since})`;
  return `${String(ca.rotation)}, done ${ca.finishedAt ?? ''}: ${short(ca.from)} was replaced`;
}
