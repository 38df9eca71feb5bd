/** Formats of strings in schemas: each says what is wrong with a value, or nothing. */
import { isIP } from 'node:net';
import { parseConstraint } from './constraints.ts';
import { parseImage } from './image.ts';
import { parseSubnet6 } from './ipv6.ts';
import { parseSubnet } from './subnet.ts';
import { parseBytes, parseCpus, parseDuration } from './units.ts';

type Check = (value: string) => string | undefined;

const matching =
  (pattern: RegExp, expected: string): Check =>
  (value) =>
    pattern.test(value) ? undefined : `must be ${expected}`;

const parsing =
  (parse: (text: string) => unknown): Check =>
  (value) => {
    try {
      parse(value);
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };

/** `{{ }}` in a field that Swarm expands: filled in by a later version, so not a literal now. */
const templated = (value: string): boolean => value.includes('{{');

export const dnsLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
export const dnsSubdomain = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

const hostName = matching(
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*$/,
  'a host name: letters, digits, `-` and `.`',
);
const bytes = parsing(parseBytes);

const absolute = (value: string): string | undefined =>
  !value.startsWith('/')
    ? `must be an absolute path${value === '' ? '' : `, like /${value.replace(/^\.?\/+/, '')}`}`
    : value.includes('\0')
      ? 'must not contain NUL'
      : value.split('/').includes('..')
        ? 'must not contain `..`'
        : undefined;

export const formats = {
  duration: parsing(parseDuration),
  cpus: parsing(parseCpus),
  bytes,
  'bytes-or-unlimited': (value: string) => (value === '-1' ? undefined : bytes(value)),
  image: (value: string) => (templated(value) ? 'not supported yet: templates' : parsing(parseImage)(value)),
  constraint: parsing(parseConstraint),
  ip: (value: string) => (isIP(value) === 0 ? 'must be an IP address, like 10.0.0.1 or ::1' : undefined),
  subnet: parsing(parseSubnet),
  subnet6: parsing(parseSubnet6),
  range: (value: string) => parsing(value.includes(':') ? parseSubnet6 : parseSubnet)(value),
  'date-time': matching(
    /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/,
    'a time like 2030-01-02T15:04:05Z',
  ),
  'label-key': matching(
    /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/,
    'a name like `gpu` or `example.com/gpu`',
  ),
  'dns-label': matching(
    dnsLabel,
    'a DNS label: at most 63 of a-z, 0-9 and `-`, beginning and ending with a letter or digit',
  ),
  'env-name': (value: string) =>
    value === '' || /[=\0]/.test(value)
      ? 'must be the name of a variable: not empty, without `=` (the value goes in `value`)'
      : /^\s|\s$/.test(value)
        ? 'must not begin or end with white space'
        : undefined,
  'absolute-path': absolute,
  'container-path': (value: string) => (/^[A-Za-z]:[\\/]/.test(value) ? undefined : absolute(value)),
  'file-mode': matching(/^0?[0-7]{3,4}$/, 'a file mode in octal, like "1777"'),
  hostname: (value: string) => (templated(value) ? 'not supported yet: templates' : hostName(value)),
  capability: matching(/^(CAP_)?[A-Z][A-Z_0-9]*$/, 'a capability in capital letters, like NET_ADMIN, or ALL'),
  signal: matching(/^((SIG)?[A-Z][A-Z0-9+-]*|[1-9]\d?)$/, 'a signal, like SIGTERM or 15'),
  platform: matching(/^[a-z0-9]+\/[a-z0-9_]+(\/[a-z0-9.]+)?$/, 'a platform, like linux/amd64'),
  cpuset: matching(/^\d+(-\d+)?(,\d+(-\d+)?)*$/, 'a list of numbers and ranges, like 0-2,7'),
  mac: matching(/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/, 'a MAC address, like 02:42:ac:11:00:02'),
  'device-permissions': matching(/^(?=[rwm]{1,3}$)(?!.*(.).*\1)/, 'some of the letters r, w and m'),
  'device-rule': matching(
    /^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/,
    'a rule like `c 42:* rmw`: type, major:minor, permissions',
  ),
  'ulimit-name': matching(
    /^(core|cpu|data|fsize|locks|memlock|msgqueue|nice|nofile|nproc|rss|rtprio|rttime|sigpending|stack)$/,
    'one of core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack',
  ),
  'pid-mode': matching(/^(host|private|container:[\w.-]+)$/, '`host`, `private` or `container:<id>`'),
  'ipc-mode': matching(
    /^(none|private|shareable|host|container:[\w.-]+)$/,
    '`none`, `private`, `shareable`, `host` or `container:<id>`',
  ),
  'host-mode': matching(/^host$/, '`host`; leave it out otherwise'),
  'credential-spec': (value: string) =>
    value.startsWith('config://')
      ? 'not supported yet: configs'
      : matching(/^(file|registry):\/\/.+$/, '`file://NAME` or `registry://NAME`')(value),
} as const satisfies Record<string, Check>;

export type FormatName = keyof typeof formats;
