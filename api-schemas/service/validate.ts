import type { Cause } from '../../kit/errors.ts';
import { duplicates, each } from '../items.ts';
import * as problem from '../problems.ts';
import { validateTemplate } from '../task-template/validate.ts';
import type { Port, Service, ServiceSpec } from '../types.ts';
import { parseDuration } from '../units.ts';
import { bindsHostPort } from './defaults.ts';

const family = (hostIP: string): string => (hostIP.includes(':') ? '::' : '0.0.0.0');
const isAny = (hostIP: string | undefined): boolean =>
  hostIP === undefined || hostIP === '0.0.0.0' || hostIP === '::';

/** Whether two published ports listen on a common address. */
export function portsClash(a: Port, b: Port): boolean {
  const [x, y] = [a.published ?? 0, b.published ?? 0];
  if (x === 0 || y === 0 || x > (b.endPort ?? y) || y > (a.endPort ?? x)) return false;
  if ((a.protocol ?? 'tcp') !== (b.protocol ?? 'tcp')) return false;
  if (a.hostIP === undefined || b.hostIP === undefined) return true;
  if (family(a.hostIP) !== family(b.hostIP)) return false;
  return a.hostIP === b.hostIP || isAny(a.hostIP) || isAny(b.hostIP);
}

/** Each port of a range has a socket and rules of its own on every node. */
const longestRange = 256;

function range({ published = 0, endPort, target }: Partial<Port>, at: string): readonly Cause[] {
  if (endPort === undefined) return [];
  const field = `${at}.endPort`;
  if (published === 0)
    return [problem.forbidden(field, 'only with `published`, the first port of the range')];
  const count = endPort - published + 1;
  if (count < 1) return [problem.invalid(field, endPort, `must not be below published, ${published}`)];
  if (count > longestRange)
    return [
      problem.invalid(field, endPort, `a range has at most ${longestRange} ports, and this has ${count}`),
    ];
  return target !== undefined && target + count - 1 > 65535
    ? [problem.invalid(field, endPort, `the ports of the container would go up to ${target + count - 1}`)]
    : [];
}

function ports({ ports: all }: ServiceSpec, field: string): readonly Cause[] {
  const causes: Cause[] = [...duplicates(all, field, ({ name }) => name, 'names of ports are unique')];
  const seen: Port[] = [];
  each(all, field, (port, at) => {
    if (seen.some((other) => portsClash(other, port))) {
      const address = `${port.hostIP === undefined ? '' : `${port.hostIP}:`}${port.published ?? 0}/${port.protocol ?? 'tcp'}`;
      causes.push(problem.duplicate(at, address, 'another port of this service listens there'));
    }
    const again = seen.some(
      (other) =>
        port.target !== undefined &&
        other.target === port.target &&
        (other.published ?? 0) === 0 &&
        (port.published ?? 0) === 0 &&
        (other.protocol ?? 'tcp') === (port.protocol ?? 'tcp') &&
        other.hostIP === port.hostIP,
    );
    if (again)
      causes.push(
        problem.duplicate(
          at,
          `${port.target}/${port.protocol ?? 'tcp'}`,
          'listed twice; give `published` to tell them apart',
        ),
      );
    causes.push(...range(port, at));
    if (port.protocol === 'sctp' && port.hostIP !== undefined)
      causes.push(problem.forbidden(`${at}.hostIP`, 'not with `protocol: sctp`'));
    seen.push(port);
  });
  return causes;
}

function placement({ placement: where }: ServiceSpec, field: string): readonly Cause[] {
  const causes: Cause[] = [...duplicates(where?.preferences, `${field}.preferences`, ({ spread }) => spread)];
  each(where?.preferences, `${field}.preferences`, ({ spread }, at) => {
    if (spread !== undefined && !/^(node|engine)\.labels\.[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(spread))
      causes.push(problem.invalid(`${at}.spread`, spread, 'must be node.labels.NAME or engine.labels.NAME'));
  });
  return causes;
}

/** Rules of a service's spec, in a Service or in a Stack; `at` is its path. */
export function validateServiceSpec(spec: ServiceSpec, at: string): readonly Cause[] {
  const causes: Cause[] = [];
  if (spec.mode === 'global') {
    if (spec.replicas !== undefined)
      causes.push(
        problem.forbidden(`${at}.replicas`, 'not with `mode: global`, which has one task for each node'),
      );
    if ((spec.placement?.maxReplicasPerNode ?? 0) > 1)
      causes.push(problem.forbidden(`${at}.placement.maxReplicasPerNode`, 'not with `mode: global`'));
  }
  if (spec.singleton === true) {
    if (spec.mode === 'global') causes.push(problem.forbidden(`${at}.singleton`, 'not with `mode: global`'));
    if ((spec.replicas ?? 1) > 1)
      causes.push(problem.invalid(`${at}.replicas`, spec.replicas, 'a singleton has one task, or none'));
    if (spec.update?.order === 'start-first')
      causes.push(
        problem.invalid(
          `${at}.update.order`,
          'start-first',
          'a singleton is updated `stop-first`, or not at all',
        ),
      );
  }
  if (spec.update?.order === 'start-first' && bindsHostPort(spec))
    causes.push(
      problem.invalid(
        `${at}.update.order`,
        'start-first',
        'two tasks cannot hold one host port: use `stop-first`, or `mode: ingress` for the port',
      ),
    );
  if (spec.networkMode !== undefined && (spec.ports?.length ?? 0) > 0)
    causes.push(
      problem.forbidden(
        `${at}.ports`,
        spec.networkMode === 'host'
          ? 'not with `networkMode: host`: its ports are those of the node already'
          : 'not with `networkMode: none`: nothing reaches it',
      ),
    );
  const { delay = '1s', maxDelay = '1m' } = spec.restart ?? {};
  if (spec.restart?.maxDelay !== undefined && parseDuration(delay) > parseDuration(maxDelay))
    causes.push(
      problem.invalid(`${at}.restart.maxDelay`, maxDelay, `must be at least restart.delay, ${delay}`),
    );
  if (
    spec.restart?.delay !== undefined &&
    spec.restart.maxDelay === undefined &&
    parseDuration(delay) > 60_000
  )
    causes.push(
      problem.invalid(
        `${at}.restart.delay`,
        delay,
        'is more than restart.maxDelay, 1m by default: set that too',
      ),
    );
  if (spec.macAddress !== undefined && (spec.networks === undefined || spec.networkMode !== undefined))
    causes.push(
      problem.forbidden(
        `${at}.macAddress`,
        'only where the first of `networks` is external: on networks of orc it follows from the address, as other nodes rely on it',
      ),
    );
  if (spec.macAddress !== undefined && (spec.replicas ?? 1) > 1)
    causes.push(
      problem.forbidden(`${at}.macAddress`, 'replicas would share one address; only with `replicas: 1`'),
    );
  return [
    ...causes,
    ...ports(spec, `${at}.ports`),
    ...placement(spec, `${at}.placement`),
    ...validateTemplate(spec, at),
  ];
}

/** Rules of a Service. */
export const validateService = (service: Service): readonly Cause[] =>
  service.spec === undefined ? [] : validateServiceSpec(service.spec, 'spec');
