import { networkInterfaces } from 'node:os';
import { parseAddress } from './advertise.ts';

/** Names and addresses that others may use for a server that listens on `host`; the advertised one (`host:port`) first. */
export function addressesOf(host: string, advertise: string | undefined): string[] {
  const advertised = advertise === undefined ? [] : [parseAddress(advertise).host];
  const own = host === '0.0.0.0' || host === '::' ? interfaceAddresses() : [host];
  return [...new Set([...advertised, ...own])];
}

const interfaceAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
