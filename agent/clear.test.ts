import { describe, expect, test } from '@jest/globals';
import { systemClock } from '../kit/clock.ts';
import { silentLogger } from '../kit/log.ts';
import { clearNode } from './clear.ts';
import type { Run } from './network/commands.ts';
import { createSimulatedRuntime } from './runtime/simulated.ts';
import { label } from './runtime/types.ts';

describe('clearing a node', () => {
  test('removes containers, networks and rules, and finds nothing the second time', async () => {
    const runtime = createSimulatedRuntime({ nodeName: 'n', clock: systemClock });
    const network = await runtime.ensureNetwork({ name: 'orc-default', bridge: 'orc-1', labels: {} });
    for (const uid of ['1', '2', '3']) {
      const labels = { [label.taskUID]: uid };
      const spec = {
        name: `orc-${uid}`,
        labels,
        template: { image: 'web' },
        hostPorts: [],
        networks: [network],
      };
      const { id } = await runtime.create(spec, new AbortController().signal);
      if (uid !== '3') await runtime.start(id);
    }
    const loaded: string[] = [];
    const run: Run = ([command = '', verb = ''], stdin = '') => {
      if (command === 'nft' && verb === '-f') loaded.push(stdin);
      return Promise.resolve({ code: command === 'nft' ? 0 : 1, stdout: '', stderr: '' });
    };
    const owner = { cluster: 'c', nodeName: 'n' };
    const options = {
      runtime,
      owner,
      dataDir: '/var/lib/orc/agent',
      ingress: true,
      logger: silentLogger,
      run,
    };

    expect(await clearNode(options)).toBe(3);
    expect(await runtime.list()).toEqual([]);
    expect(await runtime.listNetworks()).toEqual([]);
    expect(loaded.join()).toContain('delete table ip orc_ingress');
    expect(await clearNode(options)).toBe(0);
  });
});
