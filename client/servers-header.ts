/** Header of each answer to who is known: `https://host:port` of all managers, with commas between. */
export const serversHeader = 'x-orc-servers';

const isServer = (text: string): boolean => /^https:\/\/[^/,\s]+$/.test(text);

/** Empty when the header is missing or is none. */
export const parseServers = (header: string | readonly string[] | undefined): readonly string[] =>
  (typeof header === 'string' ? header : '')
    .split(',')
    .map((text) => text.trim())
    .filter(isServer);
