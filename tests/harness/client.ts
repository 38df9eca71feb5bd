import { Client, loadContext } from '../../client/index.ts';

/** A client of the cluster that a context file names. */
export async function openClient(path: string): Promise<Client> {
  const { endpoints, ca, cert = '', key = '' } = await loadContext({ path });
  return new Client({ endpoints, tls: { ca, cert, key }, userAgent: 'orc-test' });
}
