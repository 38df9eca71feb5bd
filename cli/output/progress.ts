/** Progress as text: a block to redraw in a terminal, or lines that say what changed. Pure. */
import type { ServiceView, SlotView, TargetView } from '../wait/observe.ts';
import { humanDuration } from './age.ts';
import { bar, stateWord } from './bar.ts';
import type { Palette } from './color.ts';
import { oneLine, pad, truncate, width } from './text.ts';

export interface Frame {
  readonly columns: number;
  readonly rows: number;
  readonly elapsedMs: number;
  readonly palette: Palette;
}

/** Slots shown one by one; beyond, a service is summed up. */
const maxSlots = 20;
const maxProblems = 5;

/** The block as it should stand now: never wider than the terminal and never higher than it less one line. */
export function renderProgress(targets: readonly TargetView[], frame: Frame): string[] {
  const slots = targets.flatMap((t) => t.services).reduce((n, s) => n + s.slots.length, 0);
  const full = block(targets, frame, slots <= maxSlots);
  const fits = full.length < frame.rows ? full : block(targets, frame, false);
  const lines = fits.length < frame.rows ? fits : [...fits.slice(0, Math.max(1, frame.rows - 2)), '  …'];
  return lines.map((line) => truncate(line, frame.columns));
}

function block(targets: readonly TargetView[], frame: Frame, everySlot: boolean): string[] {
  return targets.flatMap((target) => targetLines(target, frame, everySlot));
}

function targetLines(target: TargetView, { palette, elapsedMs }: Frame, everySlot: boolean): string[] {
  const running = sum(target.services, (s) => s.running);
  const desired = sum(target.services, (s) => s.desired ?? s.slots.length);
  const lone = target.services.length === 1 && target.target === `service/${target.services[0]?.name ?? ''}`;
  const names = Math.max(0, ...target.services.map((s) => width(s.name)));
  const head = `${palette.bold(target.target)}  ${count(running, desired, palette)} running  ${tail(target, elapsedMs, palette)}`;
  const lines = target.services.flatMap((service) => [
    ...(lone
      ? []
      : [
          `  ${pad(service.name, names)}  ${count(service.running, service.desired, palette)}${note(service, palette)}`,
        ]),
    ...slotLines(service, everySlot, lone ? '  ' : '    ', palette),
  ]);
  const why =
    target.outcome !== 'converged' && target.why !== undefined && noSlotSays(target)
      ? [`  ${palette.yellow(oneLine(target.why))}`]
      : [];
  return [head, ...lines, ...why];
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((n, item) => n + of(item), 0);

const noSlotSays = (target: TargetView): boolean =>
  !target.services.some(
    (s) =>
      s.slots.some((slot) => slot.problem !== undefined) || (s.why !== undefined && s.slots.length === 0),
  );

const note = (service: ServiceView, palette: Palette): string =>
  service.slots.length === 0 && service.outcome !== 'converged' && service.why !== undefined
    ? `  ${palette.yellow(oneLine(service.why))}`
    : '';

function tail({ outcome }: TargetView, elapsedMs: number, palette: Palette): string {
  switch (outcome) {
    case 'converged':
      return palette.green('converged');
    case 'failed':
      return palette.red('failed');
    case 'gone':
      return palette.red('deleted meanwhile');
    case 'superseded':
      return palette.red('changed meanwhile');
    case 'waiting':
      return palette.dim(humanDuration(elapsedMs));
  }
}

function count(running: number, desired: number | undefined, palette: Palette): string {
  const text = `${String(running)}/${desired === undefined ? '?' : String(desired)}`;
  return running === desired ? palette.green(text) : palette.yellow(text);
}

function slotLines(service: ServiceView, everySlot: boolean, indent: string, palette: Palette): string[] {
  const { slots } = service;
  if (everySlot) {
    const names = Math.max(0, ...slots.map((s) => width(s.slot)));
    const nodes = Math.max(0, ...slots.map((s) => width(s.node ?? '')));
    return slots.map((slot) => indent + slotLine(slot, names, nodes, palette));
  }
  if (service.outcome === 'converged') return [];
  const problems = slots.filter((s) => s.problem !== undefined);
  return [
    `${indent}${states(slots)}`,
    ...problems
      .slice(0, maxProblems)
      .map((s) => indent + slotLine(s, width(s.slot), width(s.node ?? ''), palette)),
    ...(problems.length > maxProblems
      ? [`${indent}and ${String(problems.length - maxProblems)} more with problems`]
      : []),
  ];
}

function slotLine(slot: SlotView, names: number, nodes: number, palette: Palette): string {
  const left = ' '.repeat(Math.max(0, names - width(slot.slot))) + slot.slot;
  const parts = [
    left,
    pad(stateWord(slot.state, palette), 9),
    bar(slot.state),
    ...(nodes > 0 ? [pad(slot.node ?? '', nodes)] : []),
  ];
  return `${parts.join('  ')}${slot.problem === undefined ? '' : `  ${palette.red(oneLine(slot.problem))}`}`.trimEnd();
}

/** `30 running, 18 preparing, 2 waiting`, most first. */
function states(slots: readonly SlotView[]): string {
  const counts = new Map<string, number>();
  for (const { state } of slots) {
    const word = state?.toLowerCase() ?? 'waiting';
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const words = [...counts].sort((a, b) => b[1] - a[1]).map(([word, n]) => `${String(n)} ${word}`);
  return words.join(', ') || 'no tasks yet';
}

/** For a log: one line for each service whose count moved and each slot whose problem is new. */
export function renderChanges(before: readonly TargetView[], now: readonly TargetView[]): string[] {
  const old = new Map(before.map((t) => [t.target, t]));
  return now.flatMap((target) => {
    const previous = old.get(target.target);
    const services = new Map(previous?.services.map((s) => [s.name, s]));
    const lines = target.services.flatMap((s) => serviceChanges(target.target, services.get(s.name), s));
    if (target.outcome !== previous?.outcome && target.outcome !== 'waiting') lines.push(outcomeLine(target));
    return lines;
  });
}

function serviceChanges(target: string, before: ServiceView | undefined, now: ServiceView): string[] {
  const name = target === `service/${now.name}` ? target : `${target} ${now.name}`;
  const problems = new Map(before?.slots.map((s) => [s.slot, s.problem]));
  const moved = before === undefined || before.running !== now.running || before.desired !== now.desired;
  return [
    ...(moved
      ? [`${name} ${String(now.running)}/${now.desired === undefined ? '?' : String(now.desired)} running`]
      : []),
    ...now.slots
      .filter((s) => s.problem !== undefined && s.problem !== problems.get(s.slot))
      .map(
        (s) => `${name} slot ${s.slot} ${s.state?.toLowerCase() ?? 'waiting'}: ${oneLine(s.problem ?? '')}`,
      ),
  ];
}

function outcomeLine({ target, outcome, why }: TargetView): string {
  switch (outcome) {
    case 'gone':
      return `${target} was deleted meanwhile`;
    case 'superseded':
      return `${target} was changed meanwhile`;
    case 'failed':
      return `${target} failed${why === undefined ? '' : `: ${oneLine(why)}`}`;
    case 'waiting':
    case 'converged':
      return `${target} ${outcome}`;
  }
}
