import type { Client } from '../client/index.ts';

/** An opened context: where a command's requests go. */
export interface Connection {
  readonly client: Client;
  /** Of the flag, else of the context, else `default`. */
  readonly namespace: string;
  readonly contextName: string;
  readonly endpoint: string;
  /** What was learned of the cluster's servers is in the configuration file. */
  settled(): Promise<void>;
}
