import type { NetworkProblem } from '../../api-schemas/index.ts';
import type { Run } from './commands.ts';

/** Debian's package of each program that networks need. */
const packages: Readonly<Record<string, string>> = {
  nft: 'nftables',
  conntrack: 'conntrack',
  ip: 'iproute2',
  bridge: 'iproute2',
  iptables: 'iptables',
  nsenter: 'util-linux',
};

/** Notices which programs are missing, whoever runs them: each room works on as well as it can, and this says why it is not well. */
export class Tools {
  readonly #missing = new Set<string>();

  /** The same `run`, looked at. */
  watch(run: Run): Run {
    return async (argv, stdin) => {
      const result = await run(argv, stdin);
      const { tool, isEntered } = toolOf(argv);
      if (!(tool in packages)) return result;
      if (result.code !== 127) this.#missing.delete(tool);
      // Inside a namespace 127 is what nsenter ends with when it does not find the program.
      else if (!isEntered || result.stderr.includes('failed to execute')) this.#missing.add(tool);
      return result;
    };
  }

  problems(): readonly NetworkProblem[] {
    return [...this.#missing].sort().map((tool) => ({
      reason: 'ToolMissing',
      message: `the program ${tool} is not installed: install it (Debian: \`apt-get install ${packages[tool] ?? tool}\`)`,
    }));
  }
}

function toolOf(argv: readonly string[]): { readonly tool: string; readonly isEntered: boolean } {
  const [first = '', second, third = ''] = argv;
  const isEntered = first === 'nsenter' && second?.startsWith('--net=') === true;
  return isEntered ? { tool: third, isEntered } : { tool: first, isEntered };
}
