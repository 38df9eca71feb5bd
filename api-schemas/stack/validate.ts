import type { Cause } from '../../kit/errors.ts';
import { dnsLabel } from '../formats.ts';
import { each } from '../items.ts';
import { validateLabels } from '../metadata/validate.ts';
import { joinPath } from '../path.ts';
import { validateNetworkName, validateNetworkSpec } from '../network/validate.ts';
import * as problem from '../problems.ts';
import { portsClash, validateServiceSpec } from '../service/validate.ts';
import { defaultNetwork } from '../template.ts';
import type { Port, Stack, StackService } from '../types.ts';

const maxName = 63;

/** Rules of a Stack: those of each of its services, the names they get, and ports that two of them want. */
export function validateStack(stack: Stack): readonly Cause[] {
  const causes: Cause[] = [];
  const stackName = stack.metadata?.name ?? '';
  const services = Object.entries(stack.spec?.services ?? {});
  const taken: { port: Port; service: string }[] = [];
  for (const [name, spec] of services) {
    const at = joinPath('spec.services', name);
    if (!dnsLabel.test(name))
      causes.push(
        problem.invalid(
          'spec.services',
          name,
          'the name of a service must be a DNS label: lower-case letters, digits and `-`',
        ),
      );
    else if (stackName.length + 1 + name.length > maxName)
      causes.push(
        problem.invalid(
          at,
          `${stackName}-${name}`,
          `the service's object name, <stack>-<service>, must have at most ${maxName} characters`,
        ),
      );
    causes.push(
      ...ownTwice(stack, spec, at),
      ...macAddress(stack, spec, at),
      ...validateServiceSpec(spec, at),
      ...validateLabels(spec.labels, `${at}.labels`),
    );
    spec.ports?.forEach((port, index) => {
      // Host ports of different services may be on different nodes; ingress ports are of the whole cluster.
      if (port === undefined || port.mode === 'host') return;
      const other = taken.find((entry) => entry.service !== name && portsClash(entry.port, port));
      if (other !== undefined)
        causes.push(
          problem.duplicate(
            joinPath(`${at}.ports`, index),
            port.published,
            `service ${JSON.stringify(other.service)} publishes it too`,
          ),
        );
      taken.push({ port, service: name });
    });
  }
  causes.push(...networks(stack));
  return causes;
}

/** Names of its networks' objects, and their specs. */
function networks({ metadata, spec }: Stack): readonly Cause[] {
  const stackName = metadata?.name ?? '';
  return Object.entries(spec?.networks ?? {}).flatMap(([name, network]) => {
    const at = joinPath('spec.networks', name);
    if (!dnsLabel.test(name))
      return [
        problem.invalid(
          'spec.networks',
          name,
          'the name of a network must be a DNS label: lower-case letters, digits and `-`',
        ),
      ];
    if (stackName.length + 1 + name.length > maxName)
      return [
        problem.invalid(
          at,
          `${stackName}-${name}`,
          `the network's object name, <stack>-<network>, must have at most ${maxName} characters`,
        ),
      ];
    return [
      ...validateNetworkName(name, 'spec.networks'),
      ...(network === undefined ? [] : validateNetworkSpec(network, at)),
    ];
  });
}

/** One on a network of the stack's own; what it has on one that is somebody else's, its node finds out. */
function macAddress({ spec: stack }: Stack, spec: StackService | undefined, at: string): readonly Cause[] {
  const [first] = spec?.networks ?? [];
  if (spec?.macAddress === undefined || first?.name === undefined) return [];
  const isOwn = first.name === defaultNetwork || Object.hasOwn(stack?.networks ?? {}, first.name);
  return isOwn && stack?.networks?.[first.name]?.external === undefined
    ? [
        problem.forbidden(
          `${at}.macAddress`,
          `only on an external network, and ${first.name} is none: on networks of orc it follows from the address`,
        ),
      ]
    : [];
}

/** A network that a service names as the stack's own and by the name of its object, too. */
function ownTwice(
  { metadata, spec: stack }: Stack,
  spec: StackService | undefined,
  at: string,
): readonly Cause[] {
  const causes: Cause[] = [];
  each(spec?.networks, `${at}.networks`, ({ name }, item) => {
    const own = name?.slice((metadata?.name ?? '').length + 1) ?? '';
    const isOwn = own === defaultNetwork || Object.hasOwn(stack?.networks ?? {}, own);
    if (isOwn && name === `${metadata?.name ?? ''}-${own}`)
      causes.push(problem.invalid(`${item}.name`, name, `is the stack's own network: name it ${own}`));
  });
  return causes;
}
