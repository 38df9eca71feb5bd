/** Watches: the present objects where asked for, then every change, in order and without a gap. */
import type { Obj } from '../../api-schemas/index.ts';
import { ApiError } from '../../kit/errors.ts';
import type { Change, Subscription } from '../../store/types.ts';
import { formOf } from '../http/media.ts';
import { warningHeaders } from '../http/respond.ts';
import { badRequest } from '../resources/errors.ts';
import { filterOf } from '../resources/list.ts';
import { boolOf, intOf } from '../resources/params.ts';
import { tableType } from '../resources/reply.ts';
import { reachNewest, reachRevision, versionOf, type Warn } from '../resources/version.ts';
import { includeObjectOf } from '../table/table.ts';
import type { Api, ResourceCall } from '../types.ts';
import { line, type Encoder, type WatchForm } from './encode.ts';
import { translate } from './translate.ts';

interface Start {
  /** Changes after this are sent; absent: those after the present objects. */
  readonly from: number | undefined;
  /** Mark the end of the present objects by a bookmark (`sendInitialEvents`). */
  readonly marked: boolean;
}

/** Resolves when the watch has ended. Throws 400 and 504 before the first byte. */
export async function watch(api: Api, call: ResourceCall, encoder: Encoder): Promise<void> {
  const { def, query, res, signal } = call;
  const form: WatchForm = { def, form: formOf(call.req.headers.accept), include: includeObjectOf(query) };
  const selected = filterOf(call);
  const namespace = def.namespaced && call.namespace !== '' ? call.namespace : undefined;
  const matches = (object: Obj): boolean =>
    (namespace === undefined || object.metadata.namespace === namespace) &&
    (selected === undefined || selected(object));
  const bookmarks = boolOf(query, 'allowWatchBookmarks');
  const timeoutMs = timeoutOf(query);
  const warnings: string[] = [];
  const start = await startOf(api, query, bookmarks, (text) => void warnings.push(text));
  if (signal.aborted) return;

  res.writeHead(200, {
    'Content-Type': typeOf(form),
    'Cache-Control': 'no-cache, private',
    'X-Content-Type-Options': 'nosniff',
    ...warningHeaders(warnings),
  });
  res.flushHeaders();
  await new Promise<void>((resolve) => {
    new Stream(api, call, { form, matches, bookmarks, timeoutMs, start, encoder, namespace }, resolve).open();
  });
}

const typeOf = ({ form }: WatchForm): string =>
  form.kind === 'table'
    ? `${tableType(form.version)};stream=watch`
    : form.kind === 'metadata'
      ? 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1;stream=watch'
      : 'application/json';

/** Kubernetes' default: 30 to 60 minutes, so that many clients do not come back at once. */
function timeoutOf(query: URLSearchParams): number {
  const seconds = intOf(query, 'timeoutSeconds') ?? 0;
  return (seconds > 0 ? Math.min(seconds, 86_400) : 1800 + Math.random() * 1800) * 1000;
}

async function startOf(api: Api, query: URLSearchParams, bookmarks: boolean, warn: Warn): Promise<Start> {
  const version = versionOf(query.get('resourceVersion'));
  const initial = query.get('sendInitialEvents');
  const match = query.get('resourceVersionMatch');
  if (initial !== null && initial !== '') {
    if (match !== 'NotOlderThan') {
      throw badRequest('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
    }
    if (boolOf(query, 'sendInitialEvents')) {
      if (!bookmarks) throw badRequest('sendInitialEvents requires setting allowWatchBookmarks to true');
      if (version === undefined) await reachNewest(api, warn);
      else if (version > 0) await reachRevision(api, version);
      return { from: undefined, marked: true };
    }
    if (version === undefined || version === 0) return { from: api.registry.cache.revision, marked: false };
  } else if (match !== null && match !== '') {
    throw badRequest('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
  }
  if (version === undefined) await reachNewest(api, warn);
  else if (version > 0) await reachRevision(api, version);
  return { from: version === undefined || version === 0 ? undefined : version, marked: false };
}

interface Plan {
  readonly form: WatchForm;
  readonly matches: (object: Obj) => boolean;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
  readonly start: Start;
  readonly encoder: Encoder;
  readonly namespace: string | undefined;
}

/** One open watch. Ends once: by its timeout, the client, the server's end, or by falling behind. */
class Stream {
  readonly #api: Api;
  readonly #call: ResourceCall;
  readonly #plan: Plan;
  readonly #done: () => void;
  readonly #timers: (() => void)[] = [];
  #subscription: Subscription | undefined;
  #first = true;
  #ended = false;
  #opening = true;
  /** What the watch began with: it may wait, beside the limit, until the client has read it. */
  #initialBytes = 0;

  constructor(api: Api, call: ResourceCall, plan: Plan, done: () => void) {
    this.#api = api;
    this.#call = call;
    this.#plan = plan;
    this.#done = done;
  }

  /** Sends what there is and subscribes to what comes, in one turn: nothing can happen in between. */
  open(): void {
    const { cache } = this.#api.registry;
    const { start, form, matches, namespace } = this.#plan;
    this.#call.signal.addEventListener('abort', () => this.#end(), { once: true });
    const from = start.from ?? cache.revision;
    if (start.from === undefined) {
      const present: readonly Obj[] = cache.list(form.def.kind, namespace);
      for (const object of present) if (matches(object)) this.#write(this.#encode('ADDED', object));
      if (start.marked) this.#bookmark(true);
    }
    try {
      this.#subscribe(from, start.from !== undefined);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.#fail(error);
      return;
    }
    this.#opening = false;
    this.#call.res.once('drain', () => {
      this.#initialBytes = 0;
    });
    if (!this.#ended) this.#schedule();
  }

  /**
   * A client that resumes at a revision may have seen only some of the objects written with it: where there
   * were several, that revision is told again.
   */
  #subscribe(from: number, resumed: boolean): void {
    const { cache } = this.#api.registry;
    const { form, matches } = this.#plan;
    let replaying = resumed;
    const subscription = cache.watch(
      form.def.kind,
      from,
      {
        onChanges: (changes, revision) => {
          const again = replaying && revision === from;
          if (again && changes.filter((change) => translate(change, matches) !== undefined).length < 2)
            return;
          for (const change of changes) this.#tell(change);
        },
        onReset: () =>
          this.#fail(
            new ApiError(410, 'the store was read anew and the changes before are not known: list again'),
          ),
      },
      { inclusive: resumed },
    );
    replaying = false;
    if (this.#ended) subscription.close();
    else this.#subscription = subscription;
  }

  #tell(change: Change): void {
    if (this.#ended) return;
    const { form, matches, encoder } = this.#plan;
    const seen = translate(change, matches);
    if (seen === undefined) return;
    // The column definitions of a Table come with the first event only.
    const own = this.#first && form.form.kind === 'table';
    this.#write(
      own ? this.#encode(seen.type, seen.object) : encoder.encodeShared(change, seen.type, seen.object, form),
    );
  }

  #encode(type: Change['type'], object: Obj): Buffer {
    const columns = this.#first;
    this.#first = false;
    return this.#plan.encoder.encode(type, object, this.#plan.form, columns);
  }

  /** Drops the watcher when what waited before this was already too much. */
  #write(bytes: Buffer): void {
    const { res } = this.#call;
    if (this.#ended || res.destroyed) return;
    const waiting = res.writableLength;
    if (waiting > this.#api.limits.watchBufferBytes + this.#initialBytes) {
      this.#api.logger.warn(
        { kind: this.#plan.form.def.kind, user: this.#call.identity.name, bytes: waiting },
        'a watcher is too slow and is dropped; it can list and watch again',
      );
      res.destroy();
      this.#end();
      return;
    }
    res.write(bytes);
    if (this.#opening) this.#initialBytes += bytes.length;
  }

  #schedule(): void {
    const { bookmarks, timeoutMs } = this.#plan;
    this.#after(timeoutMs, () => this.#end());
    if (!bookmarks) return;
    const { bookmarkMs } = this.#api.limits;
    const again = (): void =>
      this.#after(bookmarkMs * (0.9 + Math.random() * 0.2), () => {
        this.#bookmark(false);
        again();
      });
    again();
    if (timeoutMs > 4000) this.#after(timeoutMs - 2000, () => this.#bookmark(false));
  }

  #after(ms: number, fn: () => void): void {
    if (!this.#ended) this.#timers.push(this.#api.clock.after(ms, () => (this.#ended ? undefined : fn())));
  }

  #bookmark(initialEnd: boolean): void {
    const { def, form } = this.#plan.form;
    const metadata = {
      resourceVersion: String(this.#api.registry.cache.revision),
      creationTimestamp: null,
      ...(initialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {}),
    };
    const bare = { kind: def.kind, apiVersion: def.apiVersion, metadata };
    if (form.kind === 'object') this.#write(line('BOOKMARK', bare));
    else if (form.kind === 'metadata') {
      this.#write(line('BOOKMARK', { ...bare, kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' }));
    } else {
      this.#write(
        line('BOOKMARK', {
          kind: 'Table',
          apiVersion: `meta.k8s.io/${form.version}`,
          metadata: { resourceVersion: metadata.resourceVersion },
          columnDefinitions: [],
          rows: initialEnd
            ? [
                {
                  cells: [],
                  object: {
                    ...bare,
                    kind: 'PartialObjectMetadata',
                    apiVersion: `meta.k8s.io/${form.version}`,
                  },
                },
              ]
            : [],
        }),
      );
    }
  }

  #fail(error: ApiError): void {
    this.#write(line('ERROR', error.toStatus()));
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#subscription?.close();
    for (const cancel of this.#timers) cancel();
    if (!this.#call.res.destroyed) this.#call.res.end();
    this.#done();
  }
}
