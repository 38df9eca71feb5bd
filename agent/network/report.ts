/** What a node says of its networks. Pure. */
import type { NetworkProblem } from '../../api-schemas/index.ts';

export interface Found {
  /** What each part says of itself; undefined where it is as it should be. */
  readonly names: readonly string[];
  /** By container: why its rules are not as they should be. */
  readonly rules: ReadonlyMap<string, string>;
  readonly tunnels: string | undefined;
  readonly ipv6: readonly NetworkProblem[];
  readonly encryption: string | undefined;
}

/** What is not as it should be, by reason. */
export function problemsOf({ names, rules, tunnels, ipv6, encryption }: Found): readonly NetworkProblem[] {
  const [first] = rules.values();
  const others = rules.size > 1 ? ` (in ${String(rules.size)} containers)` : '';
  const one = (reason: string, message: string | undefined, before = ''): readonly NetworkProblem[] =>
    message === undefined ? [] : [{ reason, message: `${before}${message}` }];
  return [
    ...names.map((message) => ({ reason: 'NamesFailed', message })),
    ...one('VirtualIPsFailed', first === undefined ? undefined : `${first}${others}`),
    ...one('TunnelsFailed', tunnels, 'the tunnels of networks cannot be made: '),
    ...ipv6,
    ...one('EncryptionFailed', encryption, 'encrypted networks do not work: '),
  ];
}
