import { networkInterfaces } from 'node:os';

/** Interfaces of containers: they come and go, and no other machine reaches this one there. */
const foreign = /^(docker\d|docker_gwbridge|br-|veth|orc-|ov[0-9a-f]{4}-|virbr|cni|flannel|cali)/;

export interface HostAddress {
  readonly interface: string;
  readonly address: string;
}

/** By which other machines may reach this one: neither loopback, nor link-local IPv6, nor a bridge of containers. */
export function hostAddresses(interfaces = networkInterfaces()): readonly HostAddress[] {
  return Object.entries(interfaces)
    .filter(([name]) => !foreign.test(name))
    .flatMap(([name, addresses = []]) => addresses.map((each) => ({ ...each, interface: name })))
    .filter(({ internal, address }) => !internal && !/^fe[89ab]/i.test(address))
    .map((each) => ({ interface: each.interface, address: each.address }));
}
