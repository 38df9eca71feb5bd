/** An object or a list, in the form that the client asked for. */
import type { Obj } from '../../api-schemas/index.ts';
import { formOf } from '../http/media.ts';
import { includeObjectOf, tableOf } from '../table/table.ts';
import type { Api, Reply, ResourceCall } from '../types.ts';

export interface ListMeta {
  readonly resourceVersion: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

export const partial = (object: Obj): object => ({
  kind: 'PartialObjectMetadata',
  apiVersion: 'meta.k8s.io/v1',
  metadata: object.metadata,
});

export function objectReply(api: Api, call: ResourceCall, object: Obj, code = 200): Reply {
  const form = formOf(call.req.headers.accept);
  switch (form.kind) {
    case 'object':
      return { code, body: object };
    case 'metadata':
      return { code, body: partial(object), type: metadataType };
    case 'table': {
      const meta = { resourceVersion: object.metadata.resourceVersion ?? '' };
      const body = tableOf(call.def, [object], meta, {
        version: form.version,
        include: includeObjectOf(call.query),
        now: api.clock.now(),
        columns: true,
      });
      return { code, body, type: tableType(form.version) };
    }
  }
}

const metadataType = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
export const tableType = (version: string): string => `application/json;as=Table;g=meta.k8s.io;v=${version}`;

export function listReply(api: Api, call: ResourceCall, items: readonly Obj[], metadata: ListMeta): Reply {
  const form = formOf(call.req.headers.accept);
  switch (form.kind) {
    case 'object':
      return {
        code: 200,
        body: { kind: `${call.def.kind}List`, apiVersion: call.def.apiVersion, metadata, items },
      };
    case 'metadata':
      return {
        code: 200,
        body: {
          kind: 'PartialObjectMetadataList',
          apiVersion: 'meta.k8s.io/v1',
          metadata,
          items: items.map(partial),
        },
        type: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
      };
    case 'table':
      return {
        code: 200,
        body: tableOf(call.def, items, metadata, {
          version: form.version,
          include: includeObjectOf(call.query),
          now: api.clock.now(),
          columns: true,
        }),
        type: tableType(form.version),
      };
  }
}
