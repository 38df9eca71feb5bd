import { afterEach, describe, expect, test } from '@jest/globals';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Obj, Service } from '../api-schemas/index.ts';
import { silentLogger } from '../kit/log.ts';
import { backup, verifyBackup } from './backup.ts';
import { BackupEncoder, BackupError, readBackup } from './backup-format.ts';
import { openStore } from './open.ts';
import { restoreEtcd } from './restore.ts';
import { superviseEtcd } from './supervisor.ts';
import { openTestRegistry, type TestRegistry } from './testing.ts';

const service = (name: string, image = 'web'): Service => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { image },
});
/** What users know of an object; its version is that of the etcd that it is in. */
const content = ({ metadata, ...rest }: Obj): object => ({
  ...rest,
  metadata: { ...metadata, resourceVersion: undefined },
});
const closers: (() => Promise<void> | void)[] = [];
const newDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'orc-backup-'));
  closers.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};
const testStore = async (): Promise<TestRegistry> => {
  const store = await openTestRegistry();
  closers.push(() => store.close());
  return store;
};
async function collect(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}
/** In pieces of `size`, as a file or a socket gives them. */
async function* pieces(bytes: Buffer, size = 1000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe('a backup', () => {
  test('holds all objects but those of processes that live, and is restored as another cluster', async () => {
    const store = await testStore();
    const images = Array.from({ length: 700 }, (_, i) => `${i}`.repeat(1 + (i % 9) * 900));
    await Promise.all(images.map((image, i) => store.registry.create(service(`s${i}`, image))));
    const leader = await store.campaign('scheduler', { identity: 'a' });
    const bytes = await collect(backup(store));
    const summary = await verifyBackup(pieces(bytes, 77));
    expect(summary).toMatchObject({ keys: 700, revision: store.cache.revision });

    const dataDir = join(newDir(), 'etcd');
    const open = (): AsyncIterable<Buffer> => pieces(bytes);
    expect(await restoreEtcd({ dataDir, logger: silentLogger, open })).toEqual(summary);
    const etcd = await superviseEtcd({ dataDir, logger: silentLogger });
    closers.push(() => etcd.stop());
    const restored = await openStore({ endpoints: etcd.endpoints, logger: silentLogger });
    closers.push(() => restored.close());
    expect(restored.cache.list('Service').map(content)).toEqual(store.cache.list('Service').map(content));
    expect(restored.cache.list('Lease')).toEqual([]);
    const again = await verifyBackup(backup(restored));
    expect(again.clusterId).not.toBe(summary.clusterId);
    expect(again.keys).toBe(summary.keys);
    await leader.resign();
  });

  test('is of one moment, however much is written meanwhile', async () => {
    const store = await testStore();
    const padding = 'x'.repeat(5000);
    const names = Array.from({ length: 300 }, (_, i) => `s${String(i).padStart(3, '0')}`);
    await Promise.all(names.map((name) => store.registry.create(service(name, padding))));
    const entries: string[] = [];
    let pages = 0;
    for await (const record of readBackup(backup(store))) {
      if (record.kind !== 'entry') continue;
      // Between two pages: what is changed behind the reader must not be seen.
      if (pages++ === 0) {
        await store.registry.remove({ kind: 'Service', namespace: 'default', name: 's299' });
        await store.registry.create(service('zz', padding));
      }
      entries.push(record.entry.key.toString());
    }
    expect(entries).toEqual(names.map((name) => `/orc/registry/services/default/${name}`));
  });

  test('is refused when it was cut, changed or goes on, and when it is none', async () => {
    const encoder = new BackupEncoder();
    const header = { clusterId: '1', revision: 2, createdAt: '2030-01-01T00:00:00Z' };
    const entries = [{ key: Buffer.from('/orc/a'), value: Buffer.from('value') }];
    const whole = Buffer.concat([encoder.header(header), encoder.entries(entries), encoder.end()]);
    expect(await verifyBackup(pieces(whole, 1))).toMatchObject({ ...header, keys: 1 });
    for (let length = 0; length < whole.length; length++)
      await expect(verifyBackup(pieces(whole.subarray(0, length)))).rejects.toThrow(BackupError);
    for (let at = 0; at < whole.length; at++) {
      const changed = Buffer.from(whole);
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      await expect(verifyBackup(pieces(changed))).rejects.toThrow(BackupError);
    }
    await expect(verifyBackup(pieces(Buffer.concat([whole, whole])))).rejects.toThrow(/follows its end/);
    await expect(verifyBackup(pieces(Buffer.from('apiVersion: v1\n')))).rejects.toThrow(/no backup of orc/);
  });

  test('is restored whole or not at all, and over nothing', async () => {
    const store = await testStore();
    await store.registry.create(service('kept'));
    const bytes = await collect(backup(store));
    const dataDir = join(newDir(), 'etcd');
    const restore = (open: () => AsyncIterable<Buffer>) =>
      restoreEtcd({ dataDir, logger: silentLogger, open });
    await expect(restore(() => pieces(bytes.subarray(0, -1)))).rejects.toThrow(/not whole/);
    let opened = 0;
    // The second reading, while it is restored, comes to a stop.
    await expect(restore(() => pieces(opened++ === 0 ? bytes : bytes.subarray(0, -1)))).rejects.toThrow(
      /not whole/,
    );
    expect(existsSync(dataDir)).toBe(false);
    expect(await restore(() => pieces(bytes))).toMatchObject({ keys: 1 });
    await expect(restore(() => pieces(bytes))).rejects.toThrow(/a store in .* already: move it away/);
  });

  test('says that there is no etcd to make it of', async () => {
    const store = await testStore();
    await store.etcd.kill();
    await expect(verifyBackup(backup(store))).rejects.toMatchObject({
      code: 503,
      reason: 'StoreUnavailable',
    });
  });
});
