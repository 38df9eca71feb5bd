// A steady load of HTTP requests, run in the network namespace of a container or of a machine beside the nodes. Plain
// Node, as nothing is built there. Argument: JSON `{ targets: [{ host, port, dns? }], perSecond, streams }`: so many
// requests per second to each target, each on a connection of its own, and so many answers at a time that last some
// seconds. A host is looked up with each request, at `dns`. When its input ends, it waits for what is under way and
// prints JSON: `{ requests, streams, failed: ["…"] }`.
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';

const { targets, perSecond, streams } = JSON.parse(process.argv[2] ?? '{}');
const requestMs = 5_000;
const streamMs = 20_000;
const pauseMs = 50;

const counts = { requests: 0, streams: 0 };
const failed = [];
const under = new Set();
let isOver = false;

/** By name server. Asked for ten seconds at least, as libc does: c-ares gives up an attempt much sooner than it is told to. */
const resolvers = new Map();
function resolverOf(dns) {
  const known = resolvers.get(dns) ?? new Resolver({ timeout: 5_000, tries: 10 });
  if (!resolvers.has(dns)) known.setServers([dns]);
  resolvers.set(dns, known);
  return known;
}

const addressOf = async ({ host, dns }) =>
  dns === undefined ? host : (await resolverOf(dns).resolve4(host))[0];

/** The body; throws when there is no connection, or its end comes without one. */
async function get(target, path, ms) {
  const host = await addressOf(target);
  return new Promise((resolve, reject) => {
    let said = '';
    const socket = connect({ host, port: target.port, timeout: ms });
    const fail = (error) => reject(Object.assign(error, { said: said.slice(-60), from: socket.localPort }));
    socket.on('connect', () => socket.write(`GET ${path} HTTP/1.0\r\n\r\n`));
    socket.on('data', (part) => (said += part));
    socket.on('end', () => resolve(said));
    socket.on('timeout', () =>
      socket.destroy(new Error(said === '' ? 'no answer in time' : 'the answer stopped')),
    );
    socket.on('error', fail);
  });
}

async function ask(kind, target, path, expected, ms) {
  const began = Date.now();
  counts[kind]++;
  try {
    const said = await get(target, path, ms);
    if (!said.trimEnd().endsWith(expected))
      throw new Error(`the answer ends with ${JSON.stringify(said.slice(-60))}`);
  } catch (error) {
    const { message, from, said } = error;
    const at = new Date(began).toISOString();
    failed.push(
      `${at} ${kind} ${target.host}:${target.port} after ${Date.now() - began} ms: ${message} (${from}, ${said})`,
    );
  }
}

function begin(work) {
  const done = work.finally(() => under.delete(done));
  under.add(done);
  return done;
}

async function streamAfterStream(target) {
  while (!isOver) {
    await ask('streams', target, '/cgi-bin/stream', 'end', streamMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

for (const target of targets) {
  for (let i = 0; i < streams; i++) begin(streamAfterStream(target));
  const timer = setInterval(() => {
    if (isOver) return clearInterval(timer);
    void begin(ask('requests', target, '/', 'served', requestMs));
  }, 1_000 / perSecond);
}
console.log('loading');
process.stdin.resume();
process.stdin.once('end', async () => {
  isOver = true;
  while (under.size > 0) await Promise.all(under);
  // All of it, before the process ends.
  process.stdout.write(`${JSON.stringify({ ...counts, failed })}\n`, () => process.exit());
});
