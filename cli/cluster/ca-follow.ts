/** `orc ca rotate`, its second half: follows a rotation, and takes the CLI's own context along. */
import type { Cluster } from '../../api-schemas/index.ts';
import { configPath, renewContext, startInformer } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Context, ExitCode } from '../command.ts';
import type { Connection } from '../connection.ts';
import { note, say } from '../io.ts';
import { live } from '../wait/live.ts';
import { isFresh, whomToAsk } from './ca-context.ts';
import { caOfCluster, progressLines, remedyOf, toJoinAgain, underWay } from './ca-view.ts';

const retryMs = 1_000;
const mostFailures = 5;

/** Resolves when rotation `wanted` is done and the context has followed, or time is up, or the user stops it. */
export async function followRotation(
  context: Context,
  first: Connection,
  wanted: number,
  timeoutMs: number,
): Promise<ExitCode> {
  const { io, clock } = context;
  let session = open(first);
  let cluster: Cluster | undefined;
  let trouble: { readonly failures: number; readonly error?: unknown } = { failures: 0 };
  let isBusy = false;
  let isOver = false;

  function open(connection: Connection) {
    const { client } = connection;
    const onError = (): void => void exclusively(reopen);
    const clusters = startInformer(
      client,
      'Cluster',
      {},
      { onChange: (_, object) => onCluster(object), onError },
    );
    const nodes = startInformer(client, 'Node', {}, { onChange: () => wait.wake(), onError });
    for (const { synced } of [clusters, nodes]) synced.catch(() => undefined);
    const close = (): void => {
      clusters.stop();
      nodes.stop();
      client.close();
    };
    return { connection, nodes, close };
  }
  function onCluster(object: Cluster): void {
    cluster = object;
    wait.wake();
    void exclusively(keepUp);
  }

  /** The context as it is in the file now: a manager on this machine, or another command, may have renewed it. */
  async function reopen(): Promise<void> {
    const next = await context.connect();
    const [a, b] = [next.client.transport.tls, session.connection.client.transport.tls];
    if (a.ca === b.ca && a.cert === b.cert) return next.client.close();
    session.close();
    session = open(next);
  }
  async function keepUp(): Promise<void> {
    const { client, contextName, endpoint } = session.connection;
    const { ca, cert, key } = client.transport.tls;
    const ahead = cluster === undefined ? [] : whomToAsk(cluster, client.transport.tls);
    if (ahead.length === 0 || cert === undefined || key === undefined) return;
    // A machine alone may know no address of its own: it is where we have reached it.
    const endpoints = [...new Set([...ahead.filter((url) => !isAnywhere(url)), endpoint])];
    const path = configPath(io.env as NodeJS.ProcessEnv);
    await renewContext({ endpoints, tls: { ca, cert, key }, context: contextName, path });
    await reopen();
  }
  /** One at a time: again at once after a success that left more to do, later after a failure. */
  async function exclusively(work: () => Promise<void>): Promise<void> {
    if (isBusy || isOver) return;
    isBusy = true;
    let delayMs: number | undefined;
    try {
      const before = session;
      await work();
      if (session !== before) trouble = { failures: 0 };
      if (session !== before && isBehind()) delayMs = 0;
    } catch (error) {
      trouble = { failures: trouble.failures + 1, error };
      delayMs = retryMs;
    }
    isBusy = false;
    wait.wake();
    if (delayMs !== undefined) clock.after(delayMs, () => void exclusively(isBehind() ? keepUp : reopen));
  }
  const tls = () => session.connection.client.transport.tls;
  const isBehind = (): boolean => cluster !== undefined && whomToAsk(cluster, tls()).length > 0;
  /** Undefined while the rotation goes on; else whether the context has come along. */
  function outcome(): boolean | undefined {
    const ca = caOfCluster(cluster);
    if (ca === undefined || ca.rotation < wanted || ca.phase !== 'Done') return undefined;
    if (isFresh(ca, tls())) return true;
    return isBehind() && trouble.failures < mostFailures ? undefined : false;
  }

  const wait = live(context, timeoutMs, () => ({
    done: outcome() !== undefined,
    lines: progressLines(cluster, session.nodes.list()),
  }));
  const code = await wait.ended;
  isOver = true;
  session.close();
  if (code === 130) {
    note(io, '\nInterrupted: the rotation goes on in the cluster. Run `orc ca rotate` again to follow it:');
    note(io, 'until it is done this context needs that, or has to be written anew on a manager (`orc up`).');
  }
  if (code === 3) {
    note(io, `error: rotation ${String(wanted)} is not done within the timeout; it goes on`);
    note(io, 'hint: `orc ca status` says who is waited for; `orc ca rotate` follows it again');
  }
  if (code !== 0) return code;
  return finish(context, session.connection, cluster, outcome() === true, trouble.error);
}

const isAnywhere = (url: string): boolean => /^https:\/\/(0\.0\.0\.0|\[::\])(:|$)/.test(url);

function finish(
  { io }: Context,
  { contextName }: Connection,
  cluster: Cluster | undefined,
  isRenewed: boolean,
  error: unknown,
): ExitCode {
  const ca = caOfCluster(cluster);
  say(io, `the CA of the cluster is sha256 ${ca?.to ?? ''} now`);
  for (const id of toJoinAgain(cluster)) note(io, `warning: ${id} was skipped: ${remedyOf(id)}`);
  if (underWay(cluster) !== undefined)
    note(io, 'a further rotation was asked for meanwhile: `orc ca rotate` follows it');
  if (isRenewed) {
    say(
      io,
      `context "${contextName}" is renewed; copy it anew to where it is used besides (make a backup anew, too)`,
    );
    return 0;
  }
  const why = error === undefined ? 'it was left behind' : messageOf(error);
  note(io, `error: context "${contextName}" does not have the new CA: ${why}`);
  note(io, 'hint: a start of orc on a manager writes a fresh context there; copy that');
  return 1;
}
