/** etcd's members over the API: for managers that join and leave, and for admins. */
import { peerAnnotation, type MembersAnswer } from '../../api-schemas/cluster-api.ts';
import type { Node } from '../../api-schemas/index.ts';
import { ApiError, isNotFound } from '../../kit/errors.ts';
import {
  addLearner,
  listMembers,
  memberStatus,
  moveLeader,
  promote,
  removeMember,
  type MemberCalls,
} from '../../store/index.ts';
import type { Registry } from '../../store/types.ts';
import { text } from './input.ts';
import { writeManager } from './object.ts';
import { reach } from './reach.ts';
import type { ClusterCall, ClusterOptions } from './types.ts';

/** All members as ours knows them, and how ours is; works without a quorum. */
export async function membersOf(etcd: MemberCalls): Promise<MembersAnswer> {
  const [members, own] = await Promise.all([listMembers(etcd), memberStatus(etcd)]);
  return { members, own };
}

type Route = (call: Pick<ClusterCall, 'body'>) => Promise<unknown>;

export function memberRoutes(options: ClusterOptions): Readonly<Record<string, Route>> {
  const { registry, logger } = options;
  const etcd = (): MemberCalls => {
    if (options.etcd !== undefined) return options.etcd;
    throw new ApiError(409, 'the state of this cluster is in an etcd of yours: its members are not orc’s');
  };
  return {
    'GET members': () => membersOf(etcd()),

    /** Adds a member, or finds it; 503 for what passes by itself. */
    'POST members': async ({ body }) => {
      const request = await body();
      const [name, peerUrl] = [text(request, 'name'), text(request, 'peerUrl')];
      const added = await addLearner(etcd(), { name, peerUrl });
      if (added.kind === 'refused') {
        const code = added.reason === 'NameTaken' ? 409 : 503;
        throw new ApiError(code, added.message, { reason: added.reason });
      }
      logger.info({ member: name, peerUrl, how: added.kind }, 'an etcd member is added');
      await notePeer(registry, name, peerUrl);
      return added;
    },
    'POST members/reach': (call) => reach(options, call),
    'POST members/promote': async ({ body }) => promote(etcd(), text(await body(), 'id')),

    /**
     * By name, or by address where it has none yet; a member that is none any more is gone already. With an etcd of
     * the user's it is the entry alone.
     */
    'POST members/remove': async ({ body }) => {
      const request = await body();
      const name = text(request, 'name');
      const { peerUrl } = request as { readonly peerUrl?: unknown };
      if (options.etcd === undefined) {
        await writeManager(registry, name, undefined);
        return { removed: true };
      }
      const member = (await listMembers(etcd())).find((one) =>
        one.isStarted ? one.name === name : one.peerUrls.some((url) => url === peerUrl),
      );
      if (member !== undefined) {
        const own = await memberStatus(etcd());
        if (own.id === member.id) await moveLeader(etcd());
        const removed = await removeMember(etcd(), member.id);
        if (removed.kind === 'refused') throw new ApiError(409, removed.message, { reason: removed.reason });
        logger.warn({ member: name }, 'an etcd member is removed');
      }
      await writeManager(registry, name, undefined);
      await notePeer(registry, name, undefined);
      return { removed: true };
    },
  };
}

/** Says on the Node where its etcd was added, so that one which never starts can be removed by the Node's name. */
async function notePeer(registry: Registry, name: string, peerUrl: string | undefined): Promise<void> {
  const change = (node: Node): Node => {
    const { [peerAnnotation]: before, ...others } = node.metadata.annotations ?? {};
    if (before === peerUrl) return node;
    const own = peerUrl === undefined ? {} : { [peerAnnotation]: peerUrl };
    return { ...node, metadata: { ...node.metadata, annotations: { ...others, ...own } } };
  };
  const ref = { kind: 'Node', namespace: '', name } as const;
  await registry.modify<Node>(ref, change, { manager: 'orc-server' }).catch((error: unknown) => {
    // Its Node was removed, or it has none yet: its address names it then.
    if (!isNotFound(error)) throw error;
  });
}
