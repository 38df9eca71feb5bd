/** The entry of the `orc` program: wires the process to `run`. */
import { processIo } from './io.ts';
import { run } from './run.ts';

/** A reader that went away (`orc get | head`) is no error. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const interrupted = new AbortController();
const signalCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
let signalCode: number | undefined;

for (const [name, code] of Object.entries(signalCodes)) {
  process.on(name, () => {
    // The second one does not wait for a clean end.
    if (signalCode !== undefined) process.exit(code);
    signalCode = code;
    interrupted.abort(Object.assign(new Error('interrupted'), { name: 'AbortError' }));
  });
}

// The clocks of the CLI never keep the process alive by themselves; a running command does.
const alive = setInterval(() => undefined, 2 ** 30);
const code = await run(process.argv.slice(2), { io: processIo(), signal: interrupted.signal });
clearInterval(alive);
// A pipe takes what was written a piece at a time; ending before it has all of it would cut the output off.
await Promise.all(
  [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => stream.write('', () => resolve())),
  ),
);
process.exit(code ?? signalCode ?? 0);
