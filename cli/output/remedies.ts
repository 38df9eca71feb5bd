/** What to do about a reason: one sentence each, for `describe`. Pure. */

interface Remedy {
  /** What a person can do. Absent where the message of such a reason says it already. */
  readonly todo?: string;
  /** What orc does about it unasked, unless it has given up. */
  readonly unasked?: string;
}

const startedAgain = 'it is started again by itself, with growing pauses';
const replaced = 'it is replaced by itself';
const triedAgain = 'it is tried again by itself, with growing pauses';
const startAsWritten = 'correct the service: the engine of that node will not start it as it is written';

const remedies: Readonly<Record<string, Remedy>> = {
  // The image.
  ImagePullFailed: { todo: 'check spec.image (name and tag) and the registry', unasked: triedAgain },
  PullAccessDenied: { unasked: triedAgain },
  ImageNotFound: { unasked: triedAgain },
  PlatformMismatch: { todo: 'use an image for the platform of that node, or place the service elsewhere' },

  // Where it runs.
  NoNodeFits: {
    todo: 'relax placement or reservations, or add a node: `orc get nodes -o wide` shows what each has',
  },
  PortTaken: {
    todo: 'publish another port, or stop what holds this one (`orc get services -A` shows published ports)',
  },
  NoPortFree: { todo: 'publish fewer ports without a number, or give one by `published`' },
  NodeLost: {
    todo: 'check that the machine is up and runs orc (`orc up` or `orc agent`)',
    unasked: 'its tasks get replacements where they fit',
  },

  // How it begins.
  BadMount: { todo: 'create the source path on the node, or correct spec.mounts' },
  CommandNotFound: { todo: 'correct spec.command: the image has no such program' },
  CommandNotExecutable: { todo: 'make the file executable in the image, or correct spec.command' },
  UnknownUser: { todo: 'correct spec.user: the image has no such user' },
  BadLogging: { todo: 'correct spec.logging: the engine of that node has no such driver or option' },
  DeviceUnavailable: { todo: 'place the service on a node that has the device, or leave it out' },
  EngineTooOld: {
    todo: 'that field needs a newer Docker Engine: leave it out, or update the engine of that node',
  },
  InvalidName: { todo: startAsWritten },
  RefusedByEngine: { todo: startAsWritten },
  StartFailed: { todo: startAsWritten, unasked: triedAgain },
  NetworkMissing: { unasked: 'the network is made again by itself' },
  EngineError: { todo: 'look at the engine of that node: `journalctl -u docker`', unasked: triedAgain },
  DiskFull: { unasked: triedAgain },
  NoFreeSubnet: { unasked: triedAgain },

  // How it ended.
  NonZeroExit: { todo: 'the program ended with an error: its output says why', unasked: startedAgain },
  Killed: {
    todo: 'a signal ended the program: its output or the kernel log of that node may say who sent it',
    unasked: startedAgain,
  },
  Unhealthy: {
    todo: 'the health check fails: run its command with `orc exec`, or give it a longer startPeriod',
    unasked: startedAgain,
  },
  OOMKilled: {
    todo: 'it used more memory than resources.limits.memory: raise the limit',
    unasked: startedAgain,
  },
  ContainerLost: { todo: 'find what removes containers of orc on that node', unasked: replaced },
  StoppedOutside: { todo: 'use `orc scale` or `orc delete` to stop tasks', unasked: replaced },
  RestartsUsedUp: { todo: 'correct the cause and apply again, or delete the task to try again as it is' },
  NotRestarted: { todo: 'set restart.condition to start it again after its end, or delete the task' },

  // The node.
  EngineDown: { todo: 'the Docker Engine of that node does not answer: `systemctl status docker` there' },
  HeartbeatLost: {
    todo: 'the agent of that node is silent: check that the machine is up and runs orc (`orc up` or `orc agent`)',
  },
  NotReported: { unasked: 'a node that has just come says this for a moment' },

  // The stack.
  NameTaken: { todo: 'rename the service in the stack, or delete the one that has its name' },
};

/** Nothing for a reason that is no fault. `goesOn`: orc has not given up on it. */
export function remedyFor(reason: string, goesOn: boolean): readonly string[] {
  const { todo, unasked } = Object.hasOwn(remedies, reason) ? (remedies[reason] ?? {}) : {};
  const text = [todo, goesOn ? unasked : undefined].filter((part) => part !== undefined).join('; ');
  return text === '' ? [] : [text];
}
