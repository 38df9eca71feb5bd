import { configPath, mergeContext } from '../../client/index.ts';
import type { Io } from '../io.ts';
import type { Manager } from './manager.ts';

/** Makes the cluster the CLI's current context, as its admin; returns the file. */
export async function writeContext(io: Io, { url, pki }: Manager): Promise<string> {
  const path = configPath(io.env);
  await mergeContext(
    { name: 'orc', endpoints: [url], ca: pki.ca.cert, cert: pki.admin.cert, key: pki.admin.key },
    { path },
  );
  return path;
}
