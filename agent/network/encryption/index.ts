/**
 * The encryption room: keeps a mesh of WireGuard between this node and those with which it shares an encrypted network.
 * The tunnels of these networks end at addresses inside of it; nothing of them is ever sent, or taken, in clear.
 *
 * All that is remembered is in the kernel: the private keys are in the devices and nowhere else, of which epoch they are
 * says the devices' alias. So a new agent goes on with what it finds, and no connection notices.
 */
import type { NodeEncryption } from '../../../api-schemas/index.ts';
import type { Clock } from '../../../kit/clock.ts';
import { messageOf } from '../../../kit/errors.ts';
import type { Logger } from '../../../kit/log.ts';
import type { Run } from '../commands.ts';
import { applyMesh } from './apply.ts';
import { usualMtu } from './names.ts';
import { planMesh } from './plan.ts';
import { probe } from './probe.ts';
import { listRules, readMesh } from './read.ts';
import type { Ability, Mesh, MeshKernel, MeshKey, MeshOp } from './types.ts';

export { innerAddress, innerVxlanPort, usualMtu, vxlanOverhead } from './names.ts';
export type { Mesh, MeshPeer } from './types.ts';

export interface EncryptionOptions {
  readonly run: Run;
  /** Four hexadecimal digits that other agents of this machine do not have. */
  readonly tag: string;
  /** This node's address inside. */
  readonly inner: string;
  /** Undefined: this node is in no encrypted network. */
  readonly mesh: () => Mesh | undefined;
  /** What the node says of its encryption has changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const verifyMs = 5_000;
const againMs = 1_000;
/** Somebody may install what is missing. */
const probeAgainMs = 60_000;
/** What was made is read before the next step: a key, before others can be told of it. */
const passes = 4;

export class Encryption {
  readonly #options: EncryptionOptions;
  #ability: Ability = { error: 'it was not looked yet what this node can do' };
  #keys: readonly MeshKey[] = [];
  /** As `nft` prints them. */
  #rules: string | undefined;
  #isGuarded = false;
  /** Nothing is wanted, and nothing is there. */
  #isClean = false;
  #settledMs: number | undefined;
  #problem: string | undefined;
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #cancel = (): void => undefined;
  #cancelProbe = (): void => undefined;
  #isClosed = false;

  constructor(options: EncryptionOptions) {
    this.#options = options;
  }

  /** What the node says of itself. */
  get status(): NodeEncryption {
    const keys = this.#keys.length === 0 ? {} : { keys: this.#keys };
    return 'error' in this.#ability ? { error: this.#ability.error } : { ...this.#ability, ...keys };
  }

  /** Whether packets of encrypted networks can go nowhere but into the mesh: tunnels of theirs may be made. */
  get isGuarded(): boolean {
    return this.#isGuarded;
  }

  /** Why the mesh is not as it should be; undefined when it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Why nothing can be encrypted here; undefined when it can. */
  get obstacle(): string | undefined {
    return 'error' in this.#ability ? this.#ability.error : undefined;
  }

  /** Finds out what the node can do, and which keys an earlier agent has left. To be awaited before anyone is told. */
  async look(): Promise<void> {
    const { run, tag, inner, clock } = this.#options;
    const before = JSON.stringify(this.status);
    const found = await readMesh(run, tag, undefined).catch(() => undefined);
    this.#ability = this.#found(found) ?? (await probe(run, tag, inner));
    if ('error' in this.#ability && !this.#isClosed)
      this.#cancelProbe = clock.after(probeAgainMs, () => void this.look().then(() => this.sync()));
    if (JSON.stringify(this.status) !== before) this.#options.onChange();
  }

  /** Resolves when the kernel has what is wanted as of this call, or `problem` says why not. Never throws. */
  sync(): Promise<void> {
    if (this.#isClosed) return this.#last;
    this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      return this.#converge();
    });
    return (this.#last = this.#next);
  }

  /** The mesh stays, and goes on without this process; with `teardown` it goes. */
  async close(teardown = false): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    this.#cancelProbe();
    await this.#last;
    if (teardown) await this.#make(undefined);
  }

  async #converge(): Promise<void> {
    const { mesh: wanted, clock, logger } = this.#options;
    this.#cancel();
    const mesh = wanted();
    if (mesh === undefined && this.#isClean) return;
    try {
      await this.#make(mesh);
      this.#isClean = mesh === undefined;
      this.#problem = undefined;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) logger.warn({ err: problem }, 'encrypted networks do not work');
      this.#problem = problem;
    }
    if (this.#isClosed || (mesh === undefined && this.#problem === undefined)) return;
    const waitMs = this.#problem === undefined ? verifyMs : againMs;
    this.#cancel = clock.after(waitMs, () => void this.sync());
  }

  async #make(mesh: Mesh | undefined): Promise<void> {
    const { run, tag, clock, logger } = this.#options;
    for (let pass = 0; pass < passes; pass++) {
      const found = await readMesh(run, tag, this.#rules);
      this.#found(found);
      const { ops, isSettled } = planMesh(mesh, found, tag, clock.now(), this.#settledMs);
      this.#settledMs = isSettled ? (this.#settledMs ?? clock.now()) : undefined;
      if (ops.length === 0) {
        this.#isGuarded = mesh !== undefined;
        return;
      }
      logger.debug({ changes: ops.map(({ kind }) => kind) }, 'the mesh of encrypted networks changes');
      await this.#apply(mesh, ops);
    }
  }

  /** First what guards: what comes after it may fail. */
  async #apply(mesh: Mesh | undefined, ops: readonly MeshOp[]): Promise<void> {
    const { run, tag, inner, clock } = this.#options;
    const isGuard = ({ kind }: MeshOp): boolean => kind === 'guard' || kind === 'rules';
    const doing = {
      ...{ run, tag, inner, ability: this.#ability, mtu: mesh?.mtu ?? usualMtu, nowMs: clock.now() },
    };
    const guards = ops.filter(isGuard);
    if (guards.length > 0) {
      // Tunnels that are there stay while rules that somebody took away are put back.
      await applyMesh(doing, guards).catch((error: unknown) => {
        this.#isGuarded = false;
        throw error;
      });
      this.#rules = await listRules(run, tag);
    }
    if (mesh !== undefined) this.#isGuarded = true;
    await applyMesh(
      doing,
      ops.filter((op) => !isGuard(op)),
    );
  }

  /** What is there says what can be done, and which keys are this node's. */
  #found(found: MeshKernel | undefined): Ability | undefined {
    const whole = (found?.devices ?? []).filter(({ made }) => made !== undefined);
    const keys = whole
      .map(({ made, publicKey }) => ({ epoch: made?.epoch ?? 0, publicKey }))
      .sort((a, b) => a.epoch - b.epoch);
    const isNews = JSON.stringify(keys) !== JSON.stringify(this.#keys);
    this.#keys = keys;
    if (isNews) this.#options.onChange();
    const [first] = whole;
    return first === undefined ? undefined : { method: first.method };
  }
}
