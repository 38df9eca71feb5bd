/** Of a session that is open: whether its agent answers, is slow, or is gone with its machine. */
export type Verdict = 'live' | 'slow' | 'dead';

export interface Heard {
  readonly nowMs: number;
  /** The last frame or ping of the agent's main thread. */
  readonly heardMs: number;
  /** The last sign of life of its second thread; undefined when it has none. */
  readonly aliveMs: number | undefined;
  readonly heartbeatMs: number;
}

export const missedHeartbeats = 3;

/** Three heartbeats without a word is silence. Who is silent but gives signs of life is slow, and is not given up. */
export function verdictOf({ nowMs, heardMs, aliveMs = 0, heartbeatMs }: Heard): Verdict {
  const limitMs = missedHeartbeats * heartbeatMs;
  if (nowMs - heardMs < limitMs) return 'live';
  return nowMs - aliveMs < limitMs ? 'slow' : 'dead';
}
