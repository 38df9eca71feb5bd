import type { Cause } from '../../kit/errors.ts';
import { duplicates, each } from '../items.ts';
import { joinPath } from '../path.ts';
import { validateAttachments } from '../network/validate.ts';
import * as problem from '../problems.ts';
import type { TaskTemplate } from '../types.ts';
import { parseDuration } from '../units.ts';
import { validateMounts } from './validate-mounts.ts';
import { validateResources } from './validate-resources.ts';

/** Labels that orc itself puts on containers. */
export const reservedLabelPrefix = 'dev.orc.';

const templates = 'templates (`{{ … }}`) in values';

function environment({ env }: TaskTemplate, at: string): readonly Cause[] {
  const causes = [...duplicates(env, `${at}.env`, (item) => item.name, 'a variable can be set once')];
  each(env, `${at}.env`, ({ value }, item) => {
    if (value?.includes('{{')) causes.push(problem.notYet(`${item}.value`, templates));
    if (value?.includes('\0')) causes.push(problem.invalid(`${item}.value`, value, 'must not contain NUL'));
  });
  return causes;
}

function labels({ containerLabels = {} }: TaskTemplate, at: string): readonly Cause[] {
  return Object.keys(containerLabels).flatMap((key) => {
    const field = joinPath(`${at}.containerLabels`, key);
    if (key === '') return [problem.invalid(`${at}.containerLabels`, key, 'a label needs a name')];
    return key.startsWith(reservedLabelPrefix)
      ? [problem.forbidden(field, `labels that begin with ${reservedLabelPrefix} are orc's own`)]
      : [];
  });
}

function healthcheck({ healthcheck: check }: TaskTemplate, at: string): readonly Cause[] {
  if (check === undefined) return [];
  const field = `${at}.healthcheck`;
  const causes: Cause[] = [];
  if (check.disable === true)
    for (const key of Object.keys(check))
      if (key !== 'disable')
        causes.push(problem.forbidden(joinPath(field, key), 'not together with `disable: true`'));
  const [form, ...rest] = check.test ?? [];
  if (form !== undefined) {
    if (form !== 'CMD' && form !== 'CMD-SHELL' && form !== 'NONE')
      causes.push(problem.notSupported(`${field}.test[0]`, form, ['CMD', 'CMD-SHELL', 'NONE']));
    else if (form === 'NONE' && rest.length > 0)
      causes.push(problem.invalid(`${field}.test`, check.test, '`NONE` stands alone'));
    else if (form === 'CMD' && rest.length === 0)
      causes.push(problem.invalid(`${field}.test`, check.test, 'name the program after `CMD`'));
    else if (form === 'CMD-SHELL' && rest.length !== 1)
      causes.push(
        problem.invalid(`${field}.test`, check.test, '`CMD-SHELL` takes one string, the whole line'),
      );
  }
  for (const key of ['interval', 'timeout', 'startPeriod', 'startInterval'] as const) {
    const value = check[key];
    if (value === undefined) continue;
    const ms = parseDuration(value);
    if (ms !== 0 && ms < 1)
      causes.push(problem.invalid(`${field}.${key}`, value, 'must be 0 or at least 1ms'));
  }
  return causes;
}

const durationRange = (
  value: string | undefined,
  field: string,
  maxMs: number,
  words: string,
): readonly Cause[] =>
  value !== undefined && parseDuration(value) > maxMs ? [problem.invalid(field, value, words)] : [];

function processes(template: TaskTemplate, at: string): readonly Cause[] {
  const causes: Cause[] = [];
  each(template.ulimits, `${at}.ulimits`, ({ soft, hard }, item) => {
    const limit = hard === -1 ? Infinity : hard;
    if ((soft === -1 ? Infinity : soft) > limit)
      causes.push(problem.invalid(`${item}.soft`, soft, `must be at most the hard limit, ${hard}`));
  });
  each(template.extraHosts, `${at}.extraHosts`, (line, item) => {
    if (!/^[A-Za-z0-9_.-]+[:=](host-gateway|\[?[0-9A-Fa-f.:]+\]?)$/.test(line))
      causes.push(problem.invalid(item, line, 'must be `name:ip` or `name:host-gateway`'));
  });
  for (const key of Object.keys(template.sysctls ?? {}))
    if (!/^[a-z0-9_]+([./][\w-]+)+$/.test(key))
      causes.push(
        problem.invalid(`${at}.sysctls`, key, 'must be a kernel parameter, like net.core.somaxconn'),
      );
  if (template.gpus !== undefined && (template.deviceRequests?.length ?? 0) > 0)
    causes.push(problem.forbidden(`${at}.gpus`, 'not together with `deviceRequests`; write all there'));
  each(template.deviceRequests, `${at}.deviceRequests`, ({ count, deviceIDs }, item) => {
    if (count !== undefined && (deviceIDs?.length ?? 0) > 0)
      causes.push(problem.forbidden(`${item}.count`, 'not together with `deviceIDs`'));
  });
  return causes;
}

/** Rules between the fields of a task template; `at` is its path. */
export function validateTemplate(template: TaskTemplate, at: string): readonly Cause[] {
  return [
    ...environment(template, at),
    ...labels(template, at),
    ...healthcheck(template, at),
    ...durationRange(
      template.stopGracePeriod,
      `${at}.stopGracePeriod`,
      24 * 3_600_000,
      'must be at most 24h',
    ),
    ...duplicates(template.capAdd, `${at}.capAdd`, capability),
    ...duplicates(template.capDrop, `${at}.capDrop`, capability),
    ...duplicates(template.ulimits, `${at}.ulimits`, ({ name }) => name),
    ...duplicates(template.groups, `${at}.groups`, (group) => group),
    ...processes(template, at),
    ...validateAttachments(template, at),
    ...duplicates(template.networks, `${at}.networks`, ({ name }) => name),
    ...validateMounts(template.mounts, `${at}.mounts`),
    ...validateResources(template.resources, `${at}.resources`),
  ];
}

const capability = (name: string): string => name.replace(/^CAP_/, '');
