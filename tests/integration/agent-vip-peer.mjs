// A container's stand-in for agent-vip.test.ts: serves its name on port 9000 (TCP, UDP), and connects as it is told by
// lines of JSON. Ends with its standard input.
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const [name] = process.argv.slice(2);
const port = 9000;

createServer((socket) => {
  socket.on('error', () => undefined);
  socket.write(`${name}\n`);
  socket.pipe(socket);
}).listen(port, '::');
const server = createSocket('udp4');
server.on('message', (_, { port: to, address }) => server.send(name, to, address));
server.bind(port, '0.0.0.0');
const server6 = createSocket({ type: 'udp6', ipv6Only: true });
server6.on('message', (_, { port: to, address }) => server6.send(name, to, address));
server6.bind(port, '::');

/** Resolves with the next thing that the other side says, or the code of an error. */
const nextLine = (socket) =>
  new Promise((resolve) => {
    socket.once('data', (data) => resolve(data.toString().trim()));
    socket.once('error', (error) => resolve(error.code));
    socket.once('close', () => resolve('closed'));
  });
const begin = (host) => {
  const socket = connect({ host, port });
  return { socket, first: nextLine(socket) };
};
const once = async (host) => {
  const { socket, first } = begin(host);
  const answer = await first;
  socket.destroy();
  return answer;
};

/** One connected socket: the same flow for as long as it lives. */
const datagrams = (host) => {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const connected = new Promise((resolve) => socket.on('connect', resolve));
  socket.connect(port, host);
  return {
    close: () => socket.close(),
    ask: async () => {
      await connected;
      return new Promise((resolve) => {
        const end = (answer) => {
          clearInterval(again);
          socket.removeAllListeners('message').removeAllListeners('error');
          resolve(answer);
        };
        socket.on('message', (data) => end(data.toString()));
        // What was sent before anyone was there to receive it may fail later; that is told by `refused` alone.
        socket.on('error', ({ code }) => code === 'ECONNREFUSED' && end(code));
        // A datagram may be lost.
        const again = setInterval(() => socket.send('?'), 500);
        socket.send('?');
      });
    },
  };
};

let held;
let flow;
let load;
const operations = {
  ready: () => name,
  async tcp({ host, count }) {
    const names = [];
    for (let i = 0; i < count; i++) names.push(await once(host));
    return names;
  },
  async udp({ host, count }) {
    const names = [];
    for (let i = 0; i < count; i++) {
      const socket = datagrams(host);
      names.push(await socket.ask());
      socket.close();
    }
    return names;
  },
  /** Its first packet has left when this is answered. */
  begin({ host }) {
    held = begin(host);
  },
  begun: () => held.first,
  async echo({ text }) {
    held.socket.write(`${text}\n`);
    return nextLine(held.socket);
  },
  async flow({ host }) {
    flow ??= datagrams(host);
    return flow.ask();
  },
  endFlow() {
    flow?.close();
    flow = undefined;
  },
  loadStart({ host }) {
    const counts = { ok: 0, failed: [] };
    load = { isOver: false };
    const mine = load;
    load.done = (async () => {
      while (!mine.isOver) {
        const answer = await once(host);
        if (/^\d+\./.test(answer)) counts.ok++;
        else counts.failed.push(answer);
      }
      return counts;
    })();
  },
  loadStop() {
    load.isOver = true;
    return load.done;
  },
};

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const { id, op, ...args } = JSON.parse(line);
  void Promise.resolve(operations[op](args)).then((result) => {
    process.stdout.write(`${JSON.stringify({ id, result })}\n`);
  });
});
lines.on('close', () => process.exit());
