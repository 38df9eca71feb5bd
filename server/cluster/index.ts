/** The cluster's door: who joins, who may hold a session, and which managers there are. */
import type { KeyObject } from 'node:crypto';
import type { ClusterManager } from '../../api-schemas/index.ts';
import type { JoinRequest, NodeRole, Proof } from '../../api-schemas/join.ts';
import { digestOf } from '../../kit/certificate.ts';
import { timestamp } from '../../kit/clock.ts';
import { ApiError } from '../../kit/errors.ts';
import { listMembers } from '../../store/index.ts';
import { digestOfKey } from '../pki/index.ts';
import { nodeUserPrefix } from '../session/types.ts';
import type { Reply } from '../types.ts';
import { sealedBackup } from './backup.ts';
import { Challenges } from './challenges.ts';
import { join, renew, renewAdmin, type Refuse } from './join.ts';
import { nextCa } from './rotation.ts';
import { serverStatus } from './status.ts';
import { noteRole, promote, roleNoteOf } from './roles.ts';
import { claimOwnNode, generationOf, refusalOf, serversOf, writeManager } from './object.ts';
import { tokenOf } from './token.ts';
import { memberRoutes } from './members.ts';
import { text } from './input.ts';
import type { ClusterCall, ClusterOptions } from './types.ts';

export { forgetWhoWasReady } from './anew.ts';
export type { BackupHead } from './backup.ts';
export { tokenOf, type Ca } from './token.ts';
export type { ClusterCall, ClusterOptions } from './types.ts';

export interface Cluster {
  /** Answers a request that was authorized. Throws ApiError; 404 for what there is not. */
  handle(call: ClusterCall): Promise<Reply>;
  /** Why a node may not hold a session; undefined when it may. */
  refusalOf(node: string, keyDigest: string | undefined): string | undefined;
  /**
   * Gives this machine's own name to its key, and says where its manager is. `isAnew`: the store was begun anew from
   * a backup or from one member, so that nodes have to find it first.
   */
  announce(publicKey: KeyObject, manager: ClusterManager, isAnew?: boolean): Promise<void>;
  /** The join token of a role, as it is now. */
  token(role: NodeRole): string;
  /** `https://host:port` of all managers, sorted. */
  servers(): readonly string[];
  /** What was refused, by reason, since the start. */
  readonly refusals: Readonly<Record<string, number>>;
}

export function createCluster(options: ClusterOptions): Cluster {
  const { registry, clock, logger, nodeName } = options;
  const challenges = new Challenges(clock);
  const refusals: Record<string, number> = {};
  const refuse: Refuse = (reason, error) => {
    refusals[reason] = (refusals[reason] ?? 0) + 1;
    logger.warn({ reason, code: error.code }, `a request to join was refused: ${error.message}`);
    return error;
  };
  const prove = (proof: Proof, name: string): ReturnType<Challenges['check']> => {
    try {
      return challenges.check(proof, name);
    } catch (error) {
      throw error instanceof ApiError ? refuse('proof', error) : error;
    }
  };

  const tokenFor = (role: NodeRole): string =>
    tokenOf(options.ca(), role, generationOf(registry.cache, role));

  const routes: Readonly<Record<string, (call: ClusterCall) => Promise<unknown>>> = {
    'GET ca': () => Promise.resolve({ ca: options.ca().cert, digest: digestOf(options.ca().cert) }),
    'GET challenge': () => Promise.resolve({ challenge: challenges.give() }),
    'POST join': async ({ body }) => {
      const request = joinRequestOf(await body());
      await registry.cache.sync();
      return join(options, request, () => prove(request, request.nodeName), refuse);
    },
    'POST renew': async ({ body, identity }) => {
      const name = identity.name.slice(nodeUserPrefix.length);
      return renew(options, name, prove(proofOf(await body()), name));
    },
    'POST renew-admin': async (call) =>
      renewAdmin(options, call, prove(proofOf(await call.body()), call.identity.name)),
    'GET next-ca': (call) => nextCa(options, call),
    'GET token': ({ query }) => {
      const role = query.get('role') ?? 'worker';
      if (role !== 'worker' && role !== 'manager')
        throw new ApiError(400, `query parameter role: expected worker or manager, got "${role}"`);
      return Promise.resolve({ role, token: tokenFor(role) });
    },
    'GET status': () => serverStatus(options),
    'POST promote': ({ identity }) => promote(options, identity),
    'POST role': async ({ identity, body }) => noteRole(options, identity, roleNoteOf(await body())),
    'POST backup': (call) => sealedBackup(options, call),
    ...memberRoutes(options),
  };

  return {
    async handle(call) {
      const route = routes[`${call.method} ${call.path}`];
      if (route === undefined) throw new ApiError(404, 'the server could not find the requested resource');
      const answer = await route(call);
      return isReply(answer) ? answer : { code: 200, body: answer };
    },
    refusalOf: (node, digest) => refusalOf(registry.cache, node, digest),
    async announce(publicKey, manager, isAnew = false) {
      await claimOwnNode(registry, nodeName, digestOfKey(publicKey), logger);
      const members = options.etcd === undefined ? undefined : await listMembers(options.etcd);
      const names = members?.map(({ name }) => name);
      await writeManager(registry, nodeName, manager, {
        ...(names === undefined ? {} : { others: names }),
        ...(isAnew ? { restoredAt: timestamp(clock) } : {}),
      });
    },
    token: tokenFor,
    servers: () => serversOf(registry.cache),
    refusals,
  };
}

const isReply = (answer: unknown): answer is Reply =>
  typeof answer === 'object' && answer !== null && 'stream' in answer;

const proofOf = (body: unknown): Proof => ({
  publicKey: text(body, 'publicKey'),
  challenge: text(body, 'challenge'),
  signature: text(body, 'signature'),
});

function joinRequestOf(body: unknown): JoinRequest {
  const labels = (body as { labels?: unknown } | null)?.labels ?? {};
  const isMap = typeof labels === 'object' && Object.values(labels).every((one) => typeof one === 'string');
  if (!isMap) throw new ApiError(400, 'labels: expected a map of texts');
  return {
    ...proofOf(body),
    token: text(body, 'token'),
    nodeName: text(body, 'nodeName'),
    labels: labels as Readonly<Record<string, string>>,
  };
}
