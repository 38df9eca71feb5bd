import type { Cause } from '../../kit/errors.ts';
import { duplicates, each } from '../items.ts';
import * as problem from '../problems.ts';
import type { Mount } from '../types.ts';

const templates = 'templates (`{{ … }}`) in values';
const trimmed = (path: string): string => path.replace(/(.)\/+$/, '$1');

function mountProblems(mount: Mount, at: string): readonly Cause[] {
  const causes: Cause[] = [];
  const { type, source } = mount;
  for (const options of ['bind', 'volume', 'tmpfs'] as const)
    if (mount[options] !== undefined && type !== options)
      causes.push(
        problem.forbidden(`${at}.${options}`, `only for \`type: ${options}\`, this is \`${type}\``),
      );
  for (const key of ['source', 'target'] as const)
    if (mount[key]?.includes('{{')) causes.push(problem.notYet(`${at}.${key}`, templates));
  for (const [key, value] of Object.entries(mount.volume?.driverOptions ?? {}))
    if (value.includes('{{')) causes.push(problem.notYet(`${at}.volume.driverOptions.${key}`, templates));
  if (mount.target === '/') causes.push(problem.invalid(`${at}.target`, '/', 'must not be the root'));
  switch (type) {
    case 'bind':
      if (source === undefined || source === '')
        causes.push(problem.required(`${at}.source`, 'path on the node'));
      else if (!/^(\/|[A-Za-z]:[\\/])/.test(source) && !source.includes('{{'))
        causes.push(
          problem.invalid(
            `${at}.source`,
            source,
            'must be an absolute path on the node; for a named volume use `type: volume`',
          ),
        );
      break;
    case 'npipe':
      if (source === undefined || source === '')
        causes.push(problem.required(`${at}.source`, 'name of the pipe'));
      break;
    case 'volume':
      if (
        source !== undefined &&
        source !== '' &&
        !/^[A-Za-z0-9][\w.-]*$/.test(source) &&
        !source.includes('{{')
      )
        causes.push(
          problem.invalid(
            `${at}.source`,
            source,
            source.startsWith('/') || source.startsWith('.')
              ? 'is a path; use `type: bind` for a path of the node'
              : 'must be the name of a volume: letters, digits, `_`, `.`, `-`',
          ),
        );
      if (mount.volume?.subpath !== undefined && /^\/|(^|\/)\.\.(\/|$)/.test(mount.volume.subpath))
        causes.push(
          problem.invalid(`${at}.volume.subpath`, mount.volume.subpath, 'must be relative, without `..`'),
        );
      break;
    case 'tmpfs':
      if (source !== undefined && source !== '')
        causes.push(problem.forbidden(`${at}.source`, 'a tmpfs has no source'));
      break;
  }
  if (mount.bind?.recursive === 'readonly' && mount.readOnly !== true)
    causes.push(problem.invalid(`${at}.bind.recursive`, 'readonly', 'needs `readOnly: true`'));
  return causes;
}

/** Rules of mounts: options go with the type, targets are unique. */
export function validateMounts(mounts: readonly Mount[] | undefined, field: string): readonly Cause[] {
  const causes: Cause[] = [
    ...duplicates(
      mounts,
      field,
      ({ target }) => (target === undefined ? undefined : trimmed(target)),
      'one mount for each target',
    ),
  ];
  each(mounts, field, (mount, at) => {
    if (mount.type !== undefined) causes.push(...mountProblems(mount, at));
  });
  return causes;
}
