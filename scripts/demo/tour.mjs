// What the demo shows of a running cluster.
import { setTimeout as sleep } from 'node:timers/promises';
import { call } from '../engine-api.mjs';
import { command, plain, step } from './say.mjs';

const ofWeb = ['tasks', '-l', 'orc.dev/service=hello-web'];

export async function fetchUntilAllAnswered(port, signal) {
  step(`Fetching http://127.0.0.1:${port}/ until every replica has answered`);
  const answers = new Map();
  let tries = 0;
  for (; answers.size < 3 && tries < 500; tries++) {
    signal.throwIfAborted();
    const text = await fetchText(port);
    if (text === undefined) await sleep(50);
    else answers.set(text, (answers.get(text) ?? 0) + 1);
  }
  for (const [text, count] of answers) console.log(`  ${String(count).padStart(3)} × ${text}`);
  if (answers.size < 3) throw plain(`only ${answers.size} of 3 replicas answered in ${tries} tries`);
}

async function fetchText(port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(2000),
    });
    return response.ok ? (await response.text()).trim() : undefined;
  } catch {
    return undefined;
  }
}

/** Kills a container behind orc's back, or its record on the simulated runtime, and shows the slot filled again. */
export async function killOne(orc, socket, signal) {
  const victim = (await orc.items(...ofWeb)).find((task) => task.status?.state === 'Running');
  if (victim === undefined) throw plain('no task of hello-web is running');
  const { name } = victim.metadata;
  const watcher = watchTasks(orc);
  await watcher.first(({ task }) => task.metadata.uid === victim.metadata.uid, signal);
  step(`Killing one container (${name})`);
  const started = Date.now();
  if (socket === undefined) {
    command(`orc exec ${name} -- kill 1`);
    await orc.run(['exec', name, '--', 'kill', '1']);
  } else {
    command(`docker kill ${victim.status.containerID.slice(0, 12)}`);
    await call(socket, 'POST', `/containers/${victim.status.containerID}/kill`);
  }
  const healed = await watcher.first(
    ({ task }) =>
      task.spec?.slot === victim.spec.slot &&
      task.metadata.uid !== victim.metadata.uid &&
      task.status?.state === 'Running',
    signal,
  );
  watcher.stop();
  if (healed === undefined)
    throw plain(`${name} was not replaced within 30 s; see: orc describe service hello-web`);
  console.log(`  healed: ${healed.task.metadata.name} is Running ${healed.at - started} ms after the kill\n`);
  await orc.show(['get', ...ofWeb]);
}

/** Follows the tasks of hello-web with `orc get -w`, noting when each object arrived. */
function watchTasks(orc) {
  const child = orc.spawn(['get', ...ofWeb, '-w', '-o', 'json'], ['ignore', 'pipe', 'ignore']);
  const seen = [];
  let buffer = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    const documents = (buffer + chunk).split(/(?<=^\}\n)/m); // each ends with a `}` at the start of a line
    buffer = documents.at(-1).endsWith('\n}\n') ? '' : documents.pop();
    for (const text of documents) seen.push({ at: Date.now(), task: JSON.parse(text) });
  });
  return {
    /** The first that matches, of those seen and to come; undefined when none comes within 30 s. */
    async first(matches, signal) {
      for (let i = 0; i < 3000; i++) {
        signal.throwIfAborted();
        const hit = seen.find(matches);
        if (hit !== undefined) return hit;
        await sleep(10);
      }
      return undefined;
    },
    stop: () => child.kill(),
  };
}

/** Command lines for another terminal; each must work as it is printed (tests/e2e/demo.test.ts runs them). */
export const whatToTryNext = ({ config, orcPath, port, simulated }) => ({
  setUp: `export ORC_CONFIG=${config}; alias orc=${orcPath}`,
  lines: [
    ['orc get tasks -w', 'watch them live'],
    ['orc describe service hello-web', 'conditions, tasks, events'],
    ['orc scale service hello-web --replicas 6', 'scale out'],
    ['orc logs -f service/hello-clock', 'logs of all its tasks'],
    ['orc exec -it service/hello-web -- sh', 'a shell in one'],
    ...(simulated ? [] : [[`curl http://127.0.0.1:${port}/`, 'again and again: each replica answers']]),
    ['orc delete stack hello', 'remove it all'],
  ],
});
