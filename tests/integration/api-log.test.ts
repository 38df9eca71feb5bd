import { describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { startTestApi } from './api-harness.ts';

const services = '/apis/orc.dev/v1/namespaces/default/services';
const web = {
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { image: 'web:1' },
};

describe('the log', () => {
  test('says of each write who and what, and tells dry runs from writes', async () => {
    const lines: Record<string, unknown>[] = [];
    const logger = pino(
      { level: 'debug' },
      { write: (line: string) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    const own = await startTestApi({ logger });
    try {
      const type = 'application/merge-patch+json';
      const change = { spec: { image: 'web:2' } };
      await own.ask('POST', `${services}?dryRun=All`, { body: web });
      await own.ask('POST', services, { body: web });
      await own.ask('PATCH', `${services}/web?dryRun=All`, { body: change, type });
      await own.ask('PATCH', `${services}/web/scale?dryRun=All`, { body: { spec: { replicas: 2 } }, type });
      await own.ask('DELETE', `${services}/web`, { body: { dryRun: ['All'] } });
      await own.ask('DELETE', `${services}/web`);
      const told = (msg: string): unknown[] =>
        lines.filter((line) => line['msg'] === msg).map(({ verb, dryRun }) => [verb, dryRun]);
      expect(told('write')).toEqual([
        ['create', undefined],
        ['delete', undefined],
      ]);
      expect(told('dry run')).toEqual([
        ['create', true],
        ['patch', true],
        ['patch', true],
        ['delete', true],
      ]);
    } finally {
      await own.stop();
    }
  }, 60_000);
});
