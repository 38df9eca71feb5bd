/** `orc ca rotate`, its second half, and `orc ca status --wait`: follows a rotation, and takes the CLI's own context along. */
import { clusterName, type Cluster } from '../../api-schemas/index.ts';
import { configPath, renewContext, startInformer } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Context, ExitCode } from '../command.ts';
import type { Connection } from '../connection.ts';
import { note, say } from '../io.ts';
import { live } from '../wait/live.ts';
import { endpointsToAsk, isFresh, stageOfContext } from './ca-context.ts';
import { keepUp } from './ca-keep-up.ts';
import { caOfCluster, progressLines, remedyOf, toJoinAgain, underWay } from './ca-view.ts';

const mostFailures = 5;

/** Follows the rotation that is under way or asked for, with its exit code; undefined when there is none. Begins nothing. */
export async function followPresent(
  context: Context,
  connection: Connection,
  timeoutMs: number,
): Promise<ExitCode | undefined> {
  const { client } = connection;
  const wanted = underWay(await client.get('Cluster', { name: clusterName }, context.signal));
  return wanted === undefined ? undefined : followRotation(context, connection, wanted, timeoutMs);
}

/** Resolves when rotation `wanted` is done and the context has followed, or time is up, or the user stops it. */
export async function followRotation(
  context: Context,
  first: Connection,
  wanted: number,
  timeoutMs: number,
): Promise<ExitCode> {
  const { io, clock } = context;
  let cluster: Cluster | undefined;
  const tls = () => session.connection.client.transport.tls;
  const keeper = keepUp({
    clock,
    whom: () => (cluster === undefined ? [] : endpointsToAsk(cluster, tls(), session.connection.endpoint)),
    stage: () => (cluster === undefined ? 0 : stageOfContext(cluster, tls())),
    renew,
    reopen,
    onTried: () => wait.wake(),
  });
  let session = open(first);

  function open(connection: Connection) {
    const { client } = connection;
    const onError = (): void => keeper.reopen();
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
    keeper.look();
  }

  /** The context as it is in the file now: a manager on this machine, or another command, may have renewed it. */
  async function reopen(): Promise<void> {
    const next = await context.connect();
    const [a, b] = [next.client.transport.tls, session.connection.client.transport.tls];
    if (a.ca === b.ca && a.cert === b.cert) return next.client.close();
    session.close();
    session = open(next);
  }
  async function renew(endpoints: readonly string[]): Promise<void> {
    const { client, contextName } = session.connection;
    const { ca, cert, key } = client.transport.tls;
    if (cert === undefined || key === undefined) return;
    const path = configPath(io.env as NodeJS.ProcessEnv);
    await renewContext({ endpoints, tls: { ca, cert, key }, context: contextName, path });
    await reopen();
  }
  /** Undefined while the rotation goes on; else whether the context has come along. */
  function outcome(): boolean | undefined {
    const ca = caOfCluster(cluster);
    if (ca === undefined || ca.rotation < wanted || ca.phase !== 'Done') return undefined;
    if (isFresh(ca, tls())) return true;
    return keeper.isBehind() && keeper.trouble().failures < mostFailures ? undefined : false;
  }

  const wait = live(context, timeoutMs, () => ({
    done: outcome() !== undefined,
    lines: progressLines(cluster, session.nodes.list()),
  }));
  const code = await wait.ended;
  keeper.close();
  session.close();
  if (code === 130) {
    note(io, '\nInterrupted: the rotation goes on in the cluster. `orc ca status --wait` follows it:');
    note(io, 'until it is done this context needs that, or has to be written anew on a manager (`orc up`).');
  }
  if (code === 3) {
    note(io, `error: rotation ${String(wanted)} is not done within the timeout; it goes on`);
    note(io, 'hint: `orc ca status` says who is waited for; `orc ca status --wait` follows it again');
  }
  if (code !== 0) return code;
  return finish(context, session.connection, cluster, outcome() === true, keeper.trouble().error);
}

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
    note(io, 'a further rotation was asked for meanwhile: `orc ca status --wait` follows it');
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
