/** What is said of a rotation on the Cluster object. Pure. */
import type { ClusterCa } from '../../api-schemas/index.ts';
import type { NewEvent } from '../runtime/events.ts';

const short = (digest = ''): string => digest.slice(0, 16);

/** A phase has begun. */
export function began(ca: ClusterCa): NewEvent {
  const [from, to] = [short(ca.from), short(ca.to)];
  const nth = `rotation ${String(ca.rotation)}`;
  switch (ca.phase) {
    case 'Create':
      return normal('CaCreate', `${nth}: manager ${ca.turn ?? ''} makes the CA that replaces ${from}`);
    case 'Trust':
      return normal('CaTrust', `${nth}: managers, then nodes, come to trust ${to} beside ${from}`);
    case 'Issue':
      return normal('CaIssue', `${nth}: all trust both CAs; certificates come to be of ${to}`);
    case 'Drop':
      return normal(
        'CaDrop',
        `${nth}: all certificates are of ${to}; managers, then nodes, cease to trust ${from}`,
      );
    case 'Done': {
      const left = ca.skipped.length === 0 ? '' : `; to be joined again: ${ca.skipped.join(', ')}`;
      return normal('CaDone', `${nth}: the CA is ${to}, and ${from} opens nothing any more${left}`);
    }
  }
}

export const skippedEvent = (id: string, waited: string): NewEvent => ({
  type: 'Warning',
  reason: 'CaSkipped',
  message: `${id} was out of reach for ${waited} and is not waited for. If it does not come back while the phase lasts it trusts a CA that nobody has: join it again with \`orc join\`${id.startsWith('manager ') ? ' (first stop orc there, `orc node rm` here, and `orc leave --force` there)' : ''}`,
});

export const startedOver = ({ rotation, to }: ClusterCa): NewEvent => ({
  type: 'Warning',
  reason: 'CaStartedOver',
  message: `rotation ${String(rotation)}: no manager is left that can give the others ${short(to)}; a CA is made anew`,
});

const normal = (reason: string, message: string): NewEvent => ({ type: 'Normal', reason, message });
