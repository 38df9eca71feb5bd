/** What `/metrics` shows, in Prometheus' text format. */
import { Counter, Gauge, Histogram, Registry as Metrics, collectDefaultMetrics } from 'prom-client';
import type { Registry } from '../store/types.ts';

export interface ServerMetrics {
  /** One request answered. `resource` is empty for what is no object. */
  request(verb: string, resource: string, code: number, seconds: number): void;
  readonly inFlight: Gauge;
  readonly watches: Gauge;
  /** Media type and text. */
  text(): Promise<{ readonly type: string; readonly body: string }>;
}

export function createMetrics(
  registry: Registry,
  storeCounters?: () => Readonly<Record<string, number>>,
  joinRefusals?: () => Readonly<Record<string, number>>,
): ServerMetrics {
  const metrics = new Metrics();
  collectDefaultMetrics({ register: metrics, prefix: 'orc_' });
  const registers = [metrics];
  const requests = new Counter({
    name: 'orc_api_requests_total',
    help: 'Requests answered.',
    labelNames: ['verb', 'resource', 'code'],
    registers,
  });
  const durations = new Histogram({
    name: 'orc_api_request_duration_seconds',
    help: 'Time to answer, without watches and streams.',
    labelNames: ['verb', 'resource'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const inFlight = new Gauge({
    name: 'orc_api_requests_in_flight',
    help: 'Requests being answered.',
    registers,
  });
  const watches = new Gauge({ name: 'orc_api_watches', help: 'Open watches.', registers });
  new Gauge({
    name: 'orc_store_revision',
    help: 'Revision of the store that the cache has reached.',
    registers,
    collect() {
      this.set(registry.cache.revision);
    },
  });
  new Gauge({
    name: 'orc_store_oldest_revision',
    help: 'Oldest revision that a watch can start from.',
    registers,
    collect() {
      this.set(registry.cache.oldestRevision);
    },
  });
  new Gauge({
    name: 'orc_join_refusals',
    help: 'Requests to join that were refused since the start, by reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      for (const [reason, count] of Object.entries(joinRefusals?.() ?? {})) this.set({ reason }, count);
    },
  });
  return {
    request(verb, resource, code, seconds) {
      requests.inc({ verb, resource, code: String(code) });
      if (verb !== 'watch') durations.observe({ verb, resource }, seconds);
    },
    inFlight,
    watches,
    text: async () => ({
      type: metrics.contentType,
      body: `${await metrics.metrics()}${counterLines(storeCounters?.() ?? {})}`,
    }),
  };
}

/** Counters kept elsewhere, in the text format. `inFlight` becomes `orc_store_in_flight`. */
function counterLines(counters: Readonly<Record<string, number>>): string {
  return Object.entries(counters)
    .map(([key, value]) => {
      const name = `orc_store_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
      return `\n# TYPE ${name} gauge\n${name} ${value}\n`;
    })
    .join('');
}
