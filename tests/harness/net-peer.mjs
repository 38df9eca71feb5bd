// One end of a path that a bench measures, run in the network namespace of a node or a container. Plain Node, as nothing
// is built there. Prints one line of JSON for each thing that it was asked.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const [op, ...words] = process.argv.slice(2);
const now = () => performance.now();
const epoch = () => performance.timeOrigin + performance.now();
const print = (value) => console.log(JSON.stringify(value));

/** Nearest rank. */
function quantiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (q) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
  return { p50: at(0.5), p99: at(0.99) };
}

/** A DNS query for the A records of a name, with id 0. */
function query(name) {
  const labels = name.split('.').map((label) => Buffer.from(`\0${label}`));
  for (const label of labels) label[0] = label.length - 1;
  const header = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([header, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
}

/** Whether an answer has addresses. */
const hasAddress = (answer) => (answer[3] & 15) === 0 && answer.readUInt16BE(6) > 0;

const ops = {
  /** Echoes what comes over TCP. */
  async serve(port) {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    server.listen(Number(port), '0.0.0.0');
    await once(server, 'listening');
    print('serving');
  },

  /** Times, in µs, of a connection with its first echo, and of an echo on one that is open. */
  async ask(host, port, count) {
    const [fresh, open] = [[], []];
    const echo = async (socket) => {
      socket.write('x'.repeat(64));
      await once(socket, 'data');
    };
    for (let i = 0; i < Number(count); i++) {
      const began = now();
      const socket = connect({ host, port: Number(port), noDelay: true });
      await echo(socket);
      fresh.push((now() - began) * 1000);
      for (let j = 0; j < 5; j++) {
        const asked = now();
        await echo(socket);
        open.push((now() - asked) * 1000);
      }
      socket.destroy();
    }
    print({ connect: quantiles(fresh), echo: quantiles(open) });
  },

  /** Asks a name for some seconds, so many at a time: answers per second, and their times in ms. */
  async dns(server, name, seconds, atOnce) {
    const packet = query(name);
    const end = now() + Number(seconds) * 1000;
    const times = [];
    let lost = 0;
    const worker = async () => {
      const socket = createSocket('udp4');
      socket.connect(53, server);
      await once(socket, 'connect');
      for (let id = 1; now() < end; id = (id % 65_535) + 1) {
        packet.writeUInt16BE(id);
        const began = now();
        socket.send(packet);
        const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(2_000) }).catch(
          () => [],
        );
        if (answer === undefined || answer.readUInt16BE(0) !== id || !hasAddress(answer)) lost++;
        else times.push(now() - began);
      }
      socket.close();
    };
    const began = now();
    await Promise.all(Array.from({ length: Number(atOnce) }, worker));
    print({ per_s: times.length / ((now() - began) / 1000), lost, ...quantiles(times) });
  },

  /** When (ms since the epoch) a name has an address, and when a connection gets an answer: asked every few ms. */
  async until(json) {
    const { dns, tcp, timeoutMs } = JSON.parse(json);
    const limit = now() + timeoutMs;
    const poll = async (try_) => {
      while (now() < limit) {
        const began = now();
        if (await try_()) return epoch();
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, 5 - (now() - began))));
      }
      return null;
    };
    const named = async ({ server, name }) => {
      const socket = createSocket('udp4');
      socket.connect(53, server);
      await once(socket, 'connect');
      const packet = query(name);
      const at = await poll(async () => {
        socket.send(packet);
        const [answer] = await once(socket, 'message', { signal: AbortSignal.timeout(200) }).catch(() => []);
        return answer !== undefined && hasAddress(answer);
      });
      socket.close();
      return at;
    };
    const served = ({ host, port }) =>
      poll(
        () =>
          new Promise((resolve) => {
            const socket = connect({ host, port, noDelay: true, timeout: 250 });
            const end = (result) => {
              socket.destroy();
              resolve(result);
            };
            socket.on('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
            socket.on('data', () => end(true));
            for (const event of ['error', 'timeout', 'end']) socket.on(event, () => end(false));
          }),
      );
    print('polling');
    const [name, ...paths] = await Promise.all([dns && named(dns), ...tcp.map(served)]);
    print({ name, paths });
  },
};

await ops[op](...words);
