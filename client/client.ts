import type { IncomingMessage } from 'node:http';
import type { KindName, NetCheckHeard, NetCheckReport, Obj, ObjOf } from '../api-schemas/index.ts';
import { ApiError, type Status } from '../kit/errors.ts';
import { openExec, type ExecSession } from './exec.ts';
import { isKind, pathOf } from './resources.ts';
import { readText, Transport, type Query, type TransportOptions } from './transport.ts';
import type * as t from './types.ts';
import { watchRaw, type WatchOptions } from './watch.ts';

const pageSize = 500;
const tableAccept =
  'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json';
const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

const kindOf = (object: Obj): KindName => {
  if (isKind(object.kind)) return object.kind;
  throw new ApiError(404, `the server has no kind ${JSON.stringify(object.kind)}`);
};

const writeQuery = (options: t.WriteOptions): Query => ({
  fieldManager: options.fieldManager,
  dryRun: options.dryRun === true ? 'All' : undefined,
});

const listQuery = ({ labelSelector, fieldSelector }: t.ListOptions): Query => ({
  labelSelector,
  fieldSelector,
});

/** A watch names the columns once; after that they are null, as in Kubernetes. */
const laterTable = (object: unknown): t.Table => {
  const table = object as Omit<t.Table, 'columnDefinitions'> & {
    columnDefinitions: t.Table['columnDefinitions'] | null;
  };
  return { ...table, columnDefinitions: table.columnDefinitions ?? [] };
};

/**
 * The API, typed. All calls throw ApiError when the server refuses and ConnectionError when no server is
 * reached. Needs `close()` at the end, or idle connections keep the process alive for some seconds.
 */
export class Client {
  readonly transport: Transport;

  constructor(options: TransportOptions) {
    this.transport = new Transport(options);
  }

  async get<K extends KindName>(kind: K, ref: t.Ref, signal?: AbortSignal): Promise<ObjOf<K>> {
    return (await this.transport.json({ path: pathOf(kind, ref), signal })) as ObjOf<K>;
  }

  /** The whole list as of one version, read in pages of 500. */
  async list<K extends KindName>(kind: K, options: t.ListOptions = {}): Promise<t.List<ObjOf<K>>> {
    const list = await this.#pages(kind, options);
    return { items: list.items as ObjOf<K>[], resourceVersion: list.metadata.resourceVersion };
  }

  async create<T extends Obj>(object: T, options: t.WriteOptions = {}): Promise<T> {
    const { namespace } = object.metadata;
    return (await this.transport.json({
      method: 'POST',
      path: pathOf(kindOf(object), { namespace: namespace ?? 'default' }),
      query: writeQuery(options),
      body: JSON.stringify(object),
      signal: options.signal,
    })) as T;
  }

  /** Replaces the object; refused with Conflict when `metadata.resourceVersion` is not the current one. */
  async update<T extends Obj>(object: T, options: t.WriteOptions = {}): Promise<T> {
    return (await this.transport.json({
      method: 'PUT',
      path: pathOf(kindOf(object), { ...refOf(object), subresource: options.subresource }),
      query: writeQuery(options),
      body: JSON.stringify(object),
      signal: options.signal,
    })) as T;
  }

  async patch<K extends KindName>(
    kind: K,
    ref: t.Ref,
    type: 'json' | 'merge',
    patch: unknown,
    options: t.WriteOptions = {},
  ): Promise<ObjOf<K>> {
    return (await this.transport.json({
      method: 'PATCH',
      path: pathOf(kind, { ...ref, subresource: options.subresource }),
      query: writeQuery(options),
      headers: { 'content-type': patchTypes[type] },
      body: JSON.stringify(patch),
      signal: options.signal,
    })) as ObjOf<K>;
  }

  /** Server-side apply: makes the fields in `object` the manager's own and true. Repeating it is harmless. */
  async apply<T extends Obj>(object: T, options: t.ApplyOptions = {}): Promise<T> {
    return (await this.transport.json({
      method: 'PATCH',
      path: pathOf(kindOf(object), { ...refOf(object), subresource: options.subresource }),
      query: {
        ...writeQuery(options),
        fieldManager: options.fieldManager ?? 'orc',
        force: options.force === true ? true : undefined,
      },
      headers: { 'content-type': patchTypes.apply },
      body: JSON.stringify(object),
      signal: options.signal,
      idempotent: true,
    })) as T;
  }

  /** The object as it is now, with a deletionTimestamp, while finalizers hold it; a Status once it is gone. */
  async delete(kind: KindName, ref: t.Ref, options: t.DeleteOptions = {}): Promise<Obj | Status> {
    const { uid, resourceVersion } = options;
    const preconditions = {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    };
    return (await this.transport.json({
      method: 'DELETE',
      path: pathOf(kind, ref),
      body: JSON.stringify({
        kind: 'DeleteOptions',
        apiVersion: 'v1',
        propagationPolicy: options.propagation ?? 'Background',
        ...(Object.keys(preconditions).length === 0 ? {} : { preconditions }),
        ...(options.dryRun === true ? { dryRun: ['All'] } : {}),
      }),
      signal: options.signal,
    })) as Obj | Status;
  }

  async getScale(kind: KindName, ref: t.Ref): Promise<t.Scale> {
    return (await this.transport.json({ path: pathOf(kind, { ...ref, subresource: 'scale' }) })) as t.Scale;
  }

  async setScale(
    kind: KindName,
    ref: t.Ref,
    replicas: number,
    options: t.WriteOptions = {},
  ): Promise<t.Scale> {
    return (await this.transport.json({
      method: 'PATCH',
      path: pathOf(kind, { ...ref, subresource: 'scale' }),
      query: writeQuery(options),
      headers: { 'content-type': patchTypes.merge },
      body: JSON.stringify({ spec: { replicas } }),
      signal: options.signal,
      idempotent: true,
    })) as t.Scale;
  }

  /** See `watchRaw` for what is promised of breaks and lost history. */
  async *watch<K extends KindName>(
    kind: K,
    options: t.ListOptions & WatchOptions = {},
  ): AsyncGenerator<t.WatchEvent<ObjOf<K>>> {
    const source = {
      path: pathOf(kind, { namespace: options.namespace }),
      query: listQuery(options),
      accept: 'application/json',
      list: (signal: AbortSignal | undefined) => this.#pages(kind, { ...options, signal }),
    };
    for await (const event of watchRaw(this.transport, source, options)) {
      if (event.type === 'SYNC') {
        const { items, metadata } = event.list as Pages;
        yield { type: 'SYNC', items: items as ObjOf<K>[], resourceVersion: metadata.resourceVersion };
      } else if (event.type === 'BOOKMARK')
        yield { type: 'BOOKMARK', resourceVersion: (event.object as Obj).metadata.resourceVersion ?? '' };
      else yield { type: event.type, object: event.object as ObjOf<K> };
    }
  }

  /** The server's table of one object or a collection. `includeObject: 'Object'` embeds whole objects in the rows. */
  async table(
    kind: KindName,
    options: t.ListOptions & { readonly name?: string; readonly includeObject?: 'Metadata' | 'Object' } = {},
  ): Promise<t.Table> {
    return (await this.transport.json({
      path: pathOf(kind, options),
      query: { ...listQuery(options), includeObject: options.includeObject },
      headers: { accept: tableAccept },
      signal: options.signal,
    })) as t.Table;
  }

  async *watchTable(
    kind: KindName,
    options: t.ListOptions & WatchOptions = {},
  ): AsyncGenerator<t.TableEvent> {
    const source = {
      path: pathOf(kind, { namespace: options.namespace }),
      query: listQuery(options),
      accept: tableAccept,
      list: (signal: AbortSignal | undefined) => this.table(kind, { ...options, signal }),
    };
    for await (const event of watchRaw(this.transport, source, options)) {
      if (event.type === 'SYNC') yield { type: 'SYNC', table: event.list as t.Table };
      else if (event.type !== 'BOOKMARK') yield { type: event.type, table: laterTable(event.object) };
    }
  }

  /** Any path of the server, e.g. `/version` or `/metrics`; the body as text. */
  async raw(method: string, path: string, body?: string, headers?: Record<string, string>): Promise<string> {
    const request = {
      method,
      path,
      ...(body === undefined ? {} : { body }),
      ...(headers === undefined ? {} : { headers }),
    };
    return readText(await this.transport.request(request));
  }

  /** Standard output and error of a task's container, merged, as they come; destroying the stream ends it. */
  async logs(task: t.Ref, params: t.LogParams = {}, signal?: AbortSignal): Promise<IncomingMessage> {
    return this.transport.request({
      path: pathOf('Task', { ...task, subresource: 'log' }),
      query: { ...params },
      signal,
      streaming: true,
      timeoutMs: params.follow === true ? 0 : 60_000,
    });
  }

  /** What a node finds of its networks. May take a minute. */
  async netCheck(node: string, params: t.NetCheckParams, signal?: AbortSignal): Promise<NetCheckReport> {
    return (await this.#netCheck(node, { ...params }, signal)) as NetCheckReport;
  }

  /** What has come to a node of the probes of a check so far. */
  async netCheckHeard(node: string, id: string, signal?: AbortSignal): Promise<NetCheckHeard> {
    return (await this.#netCheck(node, { id, heard: true }, signal)) as NetCheckHeard;
  }

  /** Starts a command in a task's container. Throws ApiError when it cannot start. */
  exec(task: t.Ref, params: t.ExecParams, signal?: AbortSignal): Promise<ExecSession> {
    return openExec(this.transport, pathOf('Task', { ...task, subresource: 'exec' }), params, signal);
  }

  async #netCheck(node: string, query: Query, signal?: AbortSignal): Promise<unknown> {
    const path = pathOf('Node', { name: node, subresource: 'netcheck' });
    const answer = await this.transport.request({ path, query, signal, streaming: true, timeoutMs: 90_000 });
    return JSON.parse(await readText(answer)) as unknown;
  }

  close(): void {
    this.transport.close();
  }

  async #pages(kind: KindName, options: t.ListOptions): Promise<Pages> {
    const items: unknown[] = [];
    let token: string | undefined;
    for (;;) {
      const page = (await this.transport.json({
        path: pathOf(kind, { namespace: options.namespace }),
        query: { ...listQuery(options), limit: pageSize, continue: token },
        signal: options.signal,
      })) as Pages;
      items.push(...page.items);
      token = page.metadata.continue;
      if (token === undefined || token === '') return { items, metadata: page.metadata };
    }
  }
}

interface Pages {
  readonly items: readonly unknown[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

const refOf = ({ metadata }: Obj): t.Ref => ({ namespace: metadata.namespace, name: metadata.name });
