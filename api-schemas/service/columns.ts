import { ageColumn, column, conditionOf, joined, nameColumn } from '../columns.ts';
import { shortImage } from '../image.ts';
import type { Column } from '../kind.ts';
import type { Port, Service } from '../types.ts';

/** `8080->80/tcp`, `127.0.0.1:53->53/udp(host)`; `auto` for a port that is not chosen yet. */
export function formatPort(port: Port): string {
  const address =
    port.hostIP === undefined ? '' : port.hostIP.includes(':') ? `[${port.hostIP}]:` : `${port.hostIP}:`;
  const { published: first = 0, endPort: last } = port;
  const more = last === undefined || first === 0 ? 0 : last - first;
  const published = first === 0 ? 'auto' : rangeText(first, more);
  return `${address}${published}->${rangeText(port.target, more)}/${port.protocol ?? 'tcp'}${(port.mode ?? 'ingress') === 'ingress' ? '' : `(${port.mode ?? ''})`}`;
}

const rangeText = (first: number, more: number): string =>
  more === 0 ? `${first}` : `${first}-${first + more}`;

/** Ports that follow on from each other as one range. */
export function inRanges(ports: readonly Port[]): readonly Port[] {
  const ranges: Port[] = [];
  for (const port of ports) {
    const last = ranges.at(-1);
    const { published = 0, target } = port;
    const { published: first = 0 } = last ?? {};
    const next = (last?.endPort ?? first) + 1;
    const isNext =
      last !== undefined &&
      first !== 0 &&
      published === next &&
      target - last.target === published - first &&
      (['protocol', 'mode', 'hostIP'] as const).every((key) => last[key] === port[key]);
    if (isNext) ranges[ranges.length - 1] = { ...last, endPort: published };
    else ranges.push(port);
  }
  return ranges;
}

const replicas = ({ spec, status }: Service): string => {
  const desired = status?.desired ?? (spec.mode === 'global' ? undefined : (spec.replicas ?? 1));
  return `${status?.ready ?? 0}/${desired ?? '?'}`;
};

export const serviceColumns: readonly Column<Service>[] = [
  nameColumn,
  column('Mode', 'Replicated or global.', ({ spec }) => spec.mode ?? 'replicated'),
  column('Replicas', 'Ready tasks of those wanted.', replicas),
  column('Image', 'Image of the tasks.', ({ spec }) => shortImage(spec.image)),
  column('Ports', 'Published ports.', ({ spec, status }) =>
    joined(inRanges(status?.ports ?? spec.ports ?? []).map(formatPort)),
  ),
  ageColumn,
  column('Updated', 'Tasks of the current revision.', ({ status }) => String(status?.updated ?? 0), 1),
  column('Revision', 'Current revision.', ({ status }) => status?.currentRevision, 1),
  column(
    'Status',
    'Why it is not ready.',
    ({ status }) => {
      const ready = conditionOf(status?.conditions, 'Ready');
      return ready === undefined || ready.status === 'True' ? '' : ready.reason;
    },
    1,
  ),
];
