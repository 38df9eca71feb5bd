/** etcd's members over the API: for managers that join and leave, and for admins. */
import type { MembersAnswer } from '../../api-schemas/cluster-api.ts';
import { ApiError } from '../../kit/errors.ts';
import {
  addLearner,
  listMembers,
  memberStatus,
  moveLeader,
  promote,
  removeMember,
  type MemberCalls,
} from '../../store/index.ts';
import { text } from './input.ts';
import { writeManager } from './object.ts';
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
      return added;
    },
    'POST members/promote': async ({ body }) => promote(etcd(), text(await body(), 'id')),

    /** By name; a member that is none any more is gone already. With an etcd of the user's it is the entry alone. */
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
      return { removed: true };
    },
  };
}
