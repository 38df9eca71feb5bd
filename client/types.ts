import type { Obj } from '../api-schemas/index.ts';

export interface Ref {
  /** Default `default` for namespaced kinds. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface ListOptions {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface List<T> {
  readonly items: readonly T[];
  /** The version of the whole list, to watch from. */
  readonly resourceVersion: string;
}

export interface WriteOptions {
  /** Decides all and stores nothing. */
  readonly dryRun?: boolean;
  readonly fieldManager?: string;
  readonly subresource?: 'status';
  readonly signal?: AbortSignal | undefined;
}

export interface ApplyOptions extends WriteOptions {
  /** Take fields over from other managers instead of a 409. */
  readonly force?: boolean;
}

export interface DeleteOptions {
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Scale {
  readonly apiVersion: string;
  readonly kind: 'Scale';
  readonly metadata: Obj['metadata'];
  readonly spec: { readonly replicas: number };
  readonly status?: { readonly replicas: number; readonly selector?: string };
}

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description?: string;
  /** Above 0: only with `-o wide`. */
  readonly priority: number;
}

export interface TableRow {
  readonly cells: readonly unknown[];
  readonly object?: Obj;
}

/** Rows as the server renders them; a watch's later tables have no columns. */
export interface Table {
  readonly kind: 'Table';
  readonly metadata: { readonly resourceVersion?: string };
  readonly columnDefinitions: readonly TableColumn[];
  readonly rows: readonly TableRow[];
}

/** `SYNC` comes first, and again when history was lost: it replaces all that was known. */
export type WatchEvent<T> =
  | { readonly type: 'SYNC'; readonly items: readonly T[]; readonly resourceVersion: string }
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

export type TableEvent =
  | { readonly type: 'SYNC'; readonly table: Table }
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly table: Table };

export interface LogParams {
  readonly follow?: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
  /** RFC 3339 */
  readonly sinceTime?: string;
  readonly timestamps?: boolean;
}

export interface NetCheckParams {
  /** 32 hexadecimal digits, the same for all nodes of one check. */
  readonly id: string;
  /** `namespace/name`; all when absent. */
  readonly network?: readonly string[];
  /** Only the paths to this node. */
  readonly peer?: string;
}

export interface ExecParams {
  readonly command: readonly string[];
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly user?: string;
  readonly workingDir?: string;
  /** `NAME=value` */
  readonly env?: readonly string[];
}
