/**
 * Watch events as bytes. All watchers are told of a change in one go, so what is encoded is kept until the
 * end of that turn: an event is serialised once for each form, however many watchers get it.
 */
import type { Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Change, WatchEventType } from '../../store/types.ts';
import type { Form } from '../http/media.ts';
import { partial } from '../resources/reply.ts';
import { tableOf, type IncludeObject } from '../table/table.ts';

export interface WatchForm {
  readonly def: AnyKindDef;
  readonly form: Form;
  readonly include: IncludeObject;
}

export interface Encoder {
  /** One line. `columns`: a Table with its column definitions (the first event of a watch). */
  encode(type: WatchEventType, object: Obj, form: WatchForm, columns: boolean): Buffer;
  /** As `encode`, kept while `change` is being told. */
  encodeShared(change: Change, type: WatchEventType, object: Obj, form: WatchForm): Buffer;
}

export const line = (type: string, object: unknown): Buffer =>
  Buffer.from(`${JSON.stringify({ type, object })}\n`);

export function createEncoder(clock: Clock): Encoder {
  const kept = new Map<Change, Map<string, Buffer>>();

  const encode: Encoder['encode'] = (type, object, { def, form, include }, columns) => {
    switch (form.kind) {
      case 'object':
        return line(type, object);
      case 'metadata':
        return line(type, partial(object));
      case 'table': {
        const meta = { resourceVersion: object.metadata.resourceVersion ?? '' };
        const options = { version: form.version, include, now: clock.now(), columns };
        return line(type, tableOf(def, [object], meta, options));
      }
    }
  };

  return {
    encode,
    encodeShared(change, type, object, form) {
      let forms = kept.get(change);
      if (forms === undefined) {
        if (kept.size === 0) setImmediate(() => kept.clear());
        forms = new Map();
        kept.set(change, forms);
      }
      const version = form.form.kind === 'table' ? form.form.version : '';
      const key = `${type} ${form.form.kind} ${version} ${form.include}`;
      let bytes = forms.get(key);
      if (bytes === undefined) {
        bytes = encode(type, object, form, false);
        forms.set(key, bytes);
      }
      return bytes;
    },
  };
}
