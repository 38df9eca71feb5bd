/** `npm run lab`: says what it does in plain lines. Words of the user become arguments of programs, never shell text. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';
import { openLab, startLab, type Lab, type LabNode } from '../harness/lab.ts';
import { parse, usage, UsageError, type Request } from './cli-words.ts';
import { removeLab } from './clean.mjs';
import { isMember } from './orc.ts';
import { readState, root } from './state.ts';
import { statusLines } from './status.ts';

const say = (line: string): void => console.log(line);

/** Does what the words ask for; returns the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  try {
    const request = parse(words);
    if (request.verb === 'help') {
      say(usage);
      return 0;
    }
    return await act(request, resolve(request.dir ?? join(root, '.orc/lab')));
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`lab: ${error.message}\n  all commands: npm run lab -- --help`);
      return 2;
    }
    console.error(`lab: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

async function act(request: Exclude<Request, { verb: 'help' }>, dir: string): Promise<number> {
  switch (request.verb) {
    case 'up':
      return up(request, dir);
    case 'down':
      return down(dir);
    case 'status':
      return status(dir);
    case 'partition': {
      const { lab, node, from } = targets(request, dir);
      node.partition(from === undefined ? {} : { from });
      say(`${node.name}: nothing passes between it and ${from?.name ?? 'the others'}; its link stays up`);
      return lab.nodes.length > 0 ? 0 : 1;
    }
    case 'heal': {
      const { node, from } = targets(request, dir);
      node.heal(from === undefined ? {} : { from });
      say(`${node.name}: ${from === undefined ? 'in the network again' : `hears ${from.name} again`}`);
      return 0;
    }
    case 'crash': {
      const { node } = targets(request, dir);
      if (!node.isUp()) say(`${node.name} is down already`);
      else {
        const count = node.pids().length;
        await node.crash();
        say(`${node.name}: cable cut, then ${count} processes killed at once; its disk stays`);
      }
      return 0;
    }
    case 'start': {
      const { lab, node } = targets(request, dir);
      await lab.start(node);
      const orc = isMember(node) ? ', and orc runs' : '';
      say(`${node.name}: booted on the same disk; its engine answers${orc}`);
      return 0;
    }
    case 'slow': {
      const { node } = targets(request, dir);
      say(`${node.name}: ${slowed(node, request.ms)}`);
      return 0;
    }
    case 'clock': {
      const { node } = targets(request, dir);
      node.setClock(request.ms);
      say(
        `${node.name}: the clock of orc and of what \`exec\` starts is ${request.ms / 1000} s off the machine's`,
      );
      return 0;
    }
    case 'logs':
      return logs(targets(request, dir).node, request.engine, request.follow);
    case 'exec':
      return attachedTo(targets(request, dir).node, request.argv);
    case 'shell': {
      const { node } = targets(request, dir);
      say(`a shell on ${node.name}: docker, orc and ip speak to this node; "exit" leaves`);
      return attachedTo(node, ['bash', '-i']);
    }
  }
}

async function up(request: Extract<Request, { verb: 'up' }>, dir: string): Promise<number> {
  if (openLab(dir) !== undefined)
    throw new Error(`a lab runs already in ${dir}: \`down\` ends it; or choose another --dir`);
  if (readState(dir) !== undefined) {
    say('clearing what a lab that was killed has left');
    await removeLab(dir);
  }
  const interrupt = (): void => {
    console.error('lab: interrupted: removing what was made');
    void removeLab(dir).finally(() => process.exit(130));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, interrupt);
  const managers = request.managers ?? (request.nodes >= 3 ? 3 : 1);
  const lab = await startLab({ ...request, managers: request.bare ? 0 : managers, dir, keep: true, say });
  say('');
  for (const line of await statusLines(lab)) say(line);
  say(
    `\nNext:  npm run lab -- exec 1 ${request.bare ? 'docker ps' : 'orc get nodes'}    npm run lab -- shell 2    npm run lab -- down`,
  );
  return 0;
}

async function down(dir: string): Promise<number> {
  if (readState(dir) === undefined && !existsSync(dir)) {
    say(`no lab in ${dir}: nothing to do`);
    await removeLab(dir); // a cgroup of a lab whose folder was removed by hand
    return 0;
  }
  if (readState(dir) === undefined) throw new Error(`${dir} is not a lab's folder: nothing was removed`);
  await removeLab(dir);
  say(`every process of the lab has ended; ${dir} is removed`);
  return 0;
}

async function status(dir: string): Promise<number> {
  const lab = openLab(dir);
  if (lab === undefined) {
    say(
      readState(dir) === undefined
        ? `no lab in ${dir}`
        : `the lab in ${dir} was killed: \`down\` or \`up\` clears it`,
    );
    return 3;
  }
  for (const line of await statusLines(lab)) say(line);
  return 0;
}

function targets(
  { node, from }: { readonly node: string; readonly from?: string },
  dir: string,
): { readonly lab: Lab; readonly node: LabNode; readonly from?: LabNode } {
  const lab = openLab(dir);
  if (lab === undefined) throw new Error(`no lab runs in ${dir}: npm run lab -- up 3`);
  return { lab, node: lab.node(node), ...(from === undefined ? {} : { from: lab.node(from) }) };
}

function slowed(node: LabNode, ms: number): string {
  switch (node.slow(ms)) {
    case 'off':
      return 'at full speed';
    case 'delay':
      return `each packet to it comes ${ms} ms later`;
    case 'pulses':
      return `stands still for ${ms} ms, runs for ${ms} ms, and so on (this kernel has no netem to delay packets with)`;
  }
}

/** Ends with us, however we end. */
const attachedTo = (node: LabNode, argv: readonly string[]): Promise<number> =>
  attached([...node.enterBound(), ...argv], node.env);

function logs(node: LabNode, engine: boolean, follow: boolean): Promise<number> {
  const file = engine || !existsSync(node.orcLog) ? node.engineLog : node.orcLog;
  return attached(['tail', '-n', ...(follow ? ['20', '-F'] : ['+1']), file], process.env);
}

/** Runs a command with our terminal until it ends; returns its exit code. */
async function attached(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { stdio: 'inherit', env });
  process.on('SIGINT', () => undefined); // a Ctrl-C reaches the command, too: it is the command's to handle
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGKILL'));
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}
