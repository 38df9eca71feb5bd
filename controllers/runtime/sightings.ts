import type { Condition, Node } from '../../api-schemas/index.ts';
import type { Change } from '../../store/types.ts';

/** Since when a node's condition is as it is, in milliseconds of our own clock; NaN when there is none. */
export type Since = (node: Node, condition: Condition | undefined) => number;

/** What the writer of the condition said, by its clock. */
export const asWritten: Since = (_, condition) => Date.parse(condition?.lastTransitionTime ?? '');

/** A time this near to when it was seen is taken as written: a condition may tell of some seconds before. */
const sameClockMs = 10_000;

interface Sighting {
  readonly written: string;
  readonly seenMs: number;
}

/**
 * When this process saw the conditions of nodes change. Their times are by the clock of whichever manager wrote
 * them; where it differs from ours by more than a condition is late, the moment in which we saw it counts. What was
 * so before this process came is taken as written. Lives on every server, leader or not, so that one that takes the
 * lead over has seen what the one before wrote.
 */
export class Sightings {
  readonly #byNode = new Map<string, Map<string, Sighting>>();

  onChange({ object, type }: Change, nowMs: number): void {
    if (object.kind !== 'Node') return;
    const { uid = '' } = object.metadata;
    if (type === 'DELETED') {
      this.#byNode.delete(uid);
      return;
    }
    const before = this.#byNode.get(uid);
    const conditions = (object as Node).status?.conditions ?? [];
    const sighting = ({ type: of, lastTransitionTime: written }: Condition): [string, Sighting] => {
      const known = before?.get(of);
      return [of, known?.written === written ? known : { written, seenMs: nowMs }];
    };
    this.#byNode.set(uid, new Map(conditions.map(sighting)));
  }

  readonly since: Since = (node, condition) => {
    const writtenMs = asWritten(node, condition);
    const seen = this.#byNode.get(node.metadata.uid ?? '')?.get(condition?.type ?? '');
    if (seen === undefined || seen.written !== condition?.lastTransitionTime) return writtenMs;
    return Math.abs(seen.seenMs - writtenMs) <= sameClockMs ? writtenMs : seen.seenMs;
  };
}
