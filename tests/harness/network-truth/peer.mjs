// Runs in the network namespace of a container. With the word `serve` it answers each datagram on port 7 with a name
// until its input closes; else it does what its input says (JSON: names, tcp, udp, ping), all at once, and prints the outcomes.
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

const udpPort = 7;
const [mode, name = ''] = process.argv.slice(2);
const resolver = new Resolver({ timeout: 3_000, tries: 2 });
resolver.setServers(['127.0.0.11']);

/** Addresses, sorted; or the code of the "no". */
const lookUp = async (host) => {
  try {
    return (await resolver.resolve4(host)).sort().join(' ');
  } catch ({ code }) {
    return code;
  }
};

const addressOf = async (host) => (/^[\d.]+$/.test(host) ? host : (await lookUp(host)).split(' ')[0]);

/** What the page of the test image says: the name of the container. */
const get = async ({ host, port = 80 }) => {
  const ip = await addressOf(host);
  return new Promise((resolve) => {
    const socket = connect({ host: ip, port, timeout: 3_000 });
    let said = '';
    socket.on('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('data', (part) => (said += part));
    socket.on('end', () => resolve(said.trim().split('\n').at(-1) ?? ''));
    socket.on('timeout', () => socket.destroy(Object.assign(new Error(), { code: 'TIMEOUT' })));
    socket.on('error', ({ code }) => resolve(code));
    socket.on('close', () => resolve(said));
  });
};

const send = async ({ host }) => {
  const ip = await addressOf(host);
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const end = (outcome) => {
      clearInterval(again);
      clearTimeout(limit);
      socket.close();
      resolve(outcome);
    };
    // A datagram may be lost.
    const again = setInterval(() => socket.send('?'), 400);
    const limit = setTimeout(() => end('TIMEOUT'), 3_000);
    socket.once('message', (data) => end(data.toString()));
    socket.once('error', ({ code }) => end(code));
    socket.connect(udpPort, ip, () => socket.send('?'));
  });
};

const ping = async ({ host }) => {
  const ip = await addressOf(host);
  return new Promise((resolve) =>
    execFile('busybox', ['ping', '-c', '1', '-W', '2', ip], (error) => resolve(error ? 'TIMEOUT' : 'pong')),
  );
};

if (mode === 'serve') {
  const server = createSocket('udp4');
  server.on('message', (_, { port, address }) => server.send(name, port, address));
  server.bind(udpPort, '0.0.0.0', () => process.stdout.write('serving\n'));
  process.stdin.resume().on('end', () => process.exit());
} else {
  const { names = [], tcp = [], udp = [], ping: pings = [] } = JSON.parse(await text(process.stdin));
  const all = (jobs, job) => Promise.all(jobs.map(job));
  const [ofNames, ofTCP, ofUDP, ofPing] = await Promise.all([
    all(names, lookUp),
    all(tcp, get),
    all(udp, send),
    all(pings, ping),
  ]);
  process.stdout.write(JSON.stringify({ names: ofNames, tcp: ofTCP, udp: ofUDP, ping: ofPing }));
}
