import { bool, obj, oneOf, str, stringMap, strings, type Schema } from '../dialect.ts';

export const mountSchema: Schema = obj(
  'A directory or file of the node, a volume or a memory file system inside the container.',
  {
    type: oneOf('What is mounted. `npipe` is for Windows nodes.', ['bind', 'volume', 'tmpfs', 'npipe'], {
      'x-orc-later': {
        cluster: 'cluster (CSI) volumes',
        image: 'mounts of an image',
      },
    }),
    source: str(
      'bind: absolute path on the node. volume: name; a new anonymous volume for each task when absent. Not for tmpfs.',
    ),
    target: str('Absolute path inside the container.', { format: 'container-path' }),
    readOnly: bool('Mount read-only.', { default: false }),
    consistency: oneOf('Consistency requirement; only Docker Desktop heeds it.', [
      'default',
      'consistent',
      'cached',
      'delegated',
    ]),
    bind: obj('Options of `type: bind`.', {
      propagation: oneOf('Mount propagation; the engine takes rprivate when absent.', [
        'private',
        'rprivate',
        'shared',
        'rshared',
        'slave',
        'rslave',
      ]),
      recursive: oneOf(
        "Submounts: `enabled` (the engine's default: recursive, and read-only where the kernel can), `disabled`, `writable` (read-only mounts keep writable submounts), `readonly` (refused where the kernel cannot).",
        ['enabled', 'disabled', 'writable', 'readonly'],
      ),
      createSource: bool(
        'Create the directory on the node when it is missing, instead of rejecting the task.',
        {
          default: false,
        },
      ),
    }),
    volume: obj(
      'Options of `type: volume`, used when the node does not have the volume yet.',
      {
        driver: str('Volume driver; `local` when absent.'),
        driverOptions: stringMap('Options of the driver.'),
        labels: stringMap('Labels of the volume.'),
        noCopy: bool('Do not fill a new volume with what the image has at the target.', { default: false }),
        subpath: str('Path inside the volume to mount; relative.'),
      },
      { 'x-orc-instead': { opts: 'driverOptions', options: 'driverOptions', nocopy: 'noCopy' } },
    ),
    tmpfs: obj('Options of `type: tmpfs`.', {
      size: str('Largest size, e.g. `64Mi`; no limit when absent.', { format: 'bytes' }),
      mode: str('File mode in octal, e.g. `1777`; that is also the default.', { format: 'file-mode' }),
      options: strings('Further mount options, e.g. `noexec`, `uid=1000`.'),
    }),
  },
  {
    title: 'Mount',
    required: ['type', 'target'],
    'x-orc-instead': {
      destination: 'target',
      dst: 'target',
      src: 'source',
      readonly: 'readOnly',
      ro: 'readOnly',
      mountPath: 'target',
    },
  },
);
