/** Somebody who works on the cluster all the time: services are scaled, and objects made, and what was accepted is noted. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Api } from './lab-client.ts';
import { helloService } from './lab-world.ts';

export interface Churn {
  /** Ends it; what is wrong with what was accepted. */
  stop(): Promise<readonly string[]>;
}

/**
 * Scales `service` up and down and makes a small service of no tasks in each round. `through` is asked before each
 * call, as who is there changes.
 */
export function startChurn(through: () => Api, service: string, sizes: readonly number[]): Churn {
  const made: string[] = [];
  let accepted = { count: 0, generation: 0, failed: 0 };
  let isOver = false;
  const run = async (): Promise<void> => {
    for (let round = 0; !isOver; round++) {
      const size = sizes[round % sizes.length] ?? 1;
      const name = `made-${round}`;
      try {
        await through().setScale('Service', { name: service }, size);
        const { metadata } = await through().apply(helloService(name, { replicas: 0 }));
        made.push(metadata.name);
        const { generation = 0 } = (await through().get('Service', { name: service })).metadata;
        accepted = { ...accepted, count: accepted.count + 2, generation };
      } catch {
        accepted = { ...accepted, failed: accepted.failed + 1 }; // somebody else was asked, or nobody could write
      }
      await delay(300);
    }
  };
  const running = run();
  return {
    async stop() {
      isOver = true;
      await running;
      const there = new Set((await through().list('Service')).items.map(({ metadata }) => metadata.name));
      const { generation = 0 } = (await through().get('Service', { name: service })).metadata;
      return [
        ...made.filter((name) => !there.has(name)).map((name) => `service ${name} was made and is not there`),
        ...(generation < accepted.generation
          ? [`${service} was of generation ${accepted.generation} and is of ${generation}`]
          : []),
        ...(accepted.count === 0 ? [`nothing was accepted in ${accepted.failed} rounds`] : []),
      ];
    },
  };
}
