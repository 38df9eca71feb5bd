/** What to do about a reason: one sentence each, for `describe`. */
const remedies: Readonly<Record<string, string>> = {
  ImagePullFailed:
    'check spec.image (name, tag, registry login); it is tried again by itself, with growing pauses',
  ImageNotFound: 'check spec.image: no registry and no node has it under that name',
  ImageMissing:
    'the image is not on the node and pullPolicy is never: load it there, or set pullPolicy: missing',
  NoNodeFits: 'relax placement or reservations, or add a node: `orc get nodes -o wide` shows what each has',
  NonZeroExit: 'the program ended with an error; it is started again by itself, with growing pauses',
  Unhealthy: 'the health check fails: run its command with `orc exec`, or give it a longer startPeriod',
  PortTaken:
    'publish another port, or stop what holds this one (`orc get services -A` shows published ports)',
  MountFailed: 'create the source path on the node, or correct spec.mounts',
  BadMount: 'create the source path on the node, or correct spec.mounts',
  EngineDown: 'the Docker Engine of that node does not answer: `systemctl status docker` there',
  EngineTooOld: 'that field needs a newer Docker Engine: leave it out, or update the engine of that node',
  HeartbeatLost: 'the agent of that node is silent: check that the machine is up and `orc agent` runs there',
  SessionClosed: 'the agent of that node has no session: check that it runs and reaches the server',
  ContainerLost: 'something removed the container from the engine; it is replaced by itself',
  RestartLimit: 'the slot was given up after restart.maxAttempts: correct the cause, then apply again',
  CrashLoop: 'the program ends again and again: its last output says why',
  OOMKilled: 'it used more memory than resources.limits.memory: raise the limit',
  OutOfMemory: 'it used more memory than resources.limits.memory: raise the limit',
};

export const remedyFor = (reason: string): string[] => {
  const remedy = remedies[reason];
  return remedy === undefined ? [] : [remedy];
};
