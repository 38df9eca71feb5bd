import type { Mount } from '../../../api-schemas/index.ts';
import { parseBytes } from '../../../api-schemas/units.ts';
import { defined, type Body } from './body.ts';

/** One mount as the Engine API's `HostConfig.Mounts` has it, with every option. */
export function mountConfig(m: Mount): Body {
  return defined({
    Type: m.type,
    Source: m.source,
    Target: m.target,
    ReadOnly: m.readOnly,
    Consistency: m.consistency,
    BindOptions: bindOptions(m.bind),
    VolumeOptions: volumeOptions(m.volume),
    TmpfsOptions: tmpfsOptions(m.tmpfs),
  });
}

/** `recursive` as `docker run --mount bind-recursive=`: `enabled` is the default and sends nothing. */
function bindOptions(bind: Mount['bind']): Body | undefined {
  if (bind === undefined) return undefined;
  return defined({
    Propagation: bind.propagation,
    NonRecursive: bind.recursive === 'disabled' ? true : undefined,
    ReadOnlyNonRecursive: bind.recursive === 'writable' ? true : undefined,
    ReadOnlyForceRecursive: bind.recursive === 'readonly' ? true : undefined,
    CreateMountpoint: bind.createSource,
  });
}

function volumeOptions(volume: Mount['volume']): Body | undefined {
  if (volume === undefined) return undefined;
  const driver = volume.driver !== undefined || volume.driverOptions !== undefined;
  return defined({
    NoCopy: volume.noCopy,
    Labels: volume.labels,
    Subpath: volume.subpath,
    DriverConfig: driver ? defined({ Name: volume.driver, Options: volume.driverOptions }) : undefined,
  });
}

/** `mode` is octal, as in `chmod 1777`; an option `a=b` becomes the pair the API wants, a bare one stays alone. */
function tmpfsOptions(tmpfs: Mount['tmpfs']): Body | undefined {
  if (tmpfs === undefined) return undefined;
  return defined({
    SizeBytes: tmpfs.size === undefined ? undefined : parseBytes(tmpfs.size),
    Mode: tmpfs.mode === undefined ? undefined : parseInt(tmpfs.mode, 8),
    Options: tmpfs.options?.map((option) => {
      const [name, ...value] = option.split('=');
      return value.length === 0 ? [name] : [name, value.join('=')];
    }),
  });
}
