/** Which endpoint a client stays with. */

/** Clients are spread over this many places, and places over the endpoints. */
export const places = 256;

/**
 * The endpoint of each place: the one that draws highest there (rendezvous hashing). An endpoint that goes moves only the
 * clients that it had, one that comes takes only those that it gets. The same on every node and after every restart. Pure.
 */
export function endpointsOfPlaces(endpoints: readonly string[]): readonly string[] {
  const drawn = endpoints.map((ip) => ({ ip, number: hash(ip) }));
  return Array.from({ length: places }, (_, place) => {
    let best = { ip: '', draw: -1 };
    for (const { ip, number } of drawn) {
      const draw = mix(number ^ Math.imul(place + 1, 0x9e3779b1));
      if (draw > best.draw) best = { ip, draw };
    }
    return best.ip;
  });
}

/** FNV-1a. */
function hash(text: string): number {
  let number = 0x811c9dc5;
  for (const char of text) number = Math.imul(number ^ char.charCodeAt(0), 0x01000193);
  return number >>> 0;
}

/** The last step of MurmurHash3: each bit of the input changes half of the output. */
function mix(number: number): number {
  let h = number;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
