/** A request about objects to the file of its verb. */
import { kindByName, type Node, type Obj, type Task } from '../../api-schemas/index.ts';
import type { JsonObject } from '../apply/value.ts';
import { markTerminating } from '../admission/namespaces.ts';
import { objectOrThrow, parseByType, readBody } from '../http/body.ts';
import { mediaType } from '../http/media.ts';
import { pathNotFound } from '../http/path.ts';
import { decodeKubernetes, protobufType } from '../protobuf/kubernetes.ts';
import type { Api, Reply, ResourceCall, Verb } from '../types.ts';
import type { Encoder } from '../watch/encode.ts';
import { watch } from '../watch/watch.ts';
import { create } from './create.ts';
import { deleteParams, remove, removeCollection } from './delete.ts';
import { badRequest, notAllowed } from './errors.ts';
import { get } from './get.ts';
import { list } from './list.ts';
import { boolOf, writeParams, type WriteParams } from './params.ts';
import { patch, readPatch } from './patch.ts';
import { listReply, objectReply } from './reply.ts';
import { patchScale, scaleOf, updateScale } from './scale.ts';
import { update } from './update.ts';

/** The verb of a request; undefined when the path has no such method. */
export function verbOf(
  method: string,
  { name, query }: { readonly name: string; readonly query: URLSearchParams },
): Verb | undefined {
  switch (method) {
    case 'GET':
    case 'HEAD': {
      const watching = query.has('watch') && boolOf(query, 'watch');
      return watching ? 'watch' : name === '' ? 'list' : 'get';
    }
    case 'POST':
      return name === '' ? 'create' : undefined;
    case 'PUT':
      return name === '' ? undefined : 'update';
    case 'PATCH':
      return name === '' ? undefined : 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      return undefined;
  }
}

/** Answers, or throws ApiError. Undefined: answered already. */
export async function dispatch(api: Api, call: ResourceCall, encoder: Encoder): Promise<Reply | undefined> {
  const { def, subresource, verb, namespace } = call;
  switch (subresource) {
    case '':
      break;
    case 'status':
      if (!def.subresources.status) throw pathNotFound();
      if (verb !== 'get' && verb !== 'update' && verb !== 'patch') throw notAllowed();
      break;
    case 'scale':
      if (def.subresources.scale === undefined) throw pathNotFound();
      return scale(api, call);
    case 'log':
      return log(api, call);
    case 'netcheck':
      return netCheck(api, call);
    default:
      throw pathNotFound();
  }
  if (def.namespaced && namespace === '' && (verb === 'create' || verb === 'deletecollection')) {
    throw notAllowed();
  }
  return main(api, call, encoder);
}

/** Notes on the call that it is a dry run. */
function noted<T extends { readonly dryRun: boolean }>(call: ResourceCall, params: T): T {
  if (params.dryRun) call.noteDryRun();
  return params;
}

const paramsOf = (call: ResourceCall): WriteParams => noted(call, writeParams(call.query, call.req));

async function main(api: Api, call: ResourceCall, encoder: Encoder): Promise<Reply | undefined> {
  const { verb, query, req } = call;
  switch (verb) {
    case 'get':
      return objectReply(api, call, await get(api, call));
    case 'list': {
      if (isClusterInfo(call)) return { code: 200, body: noCoreServices };
      const { items, metadata } = await list(api, call);
      return listReply(api, call, items, metadata);
    }
    case 'watch':
      await watch(api, call, encoder);
      return undefined;
    case 'create': {
      const params = paramsOf(call);
      return objectReply(api, call, await create(api, call, await bodyObject(api, call), params), 201);
    }
    case 'update': {
      const params = paramsOf(call);
      return objectReply(api, call, await update(api, call, await bodyObject(api, call), params));
    }
    case 'patch': {
      const params = paramsOf(call);
      const what = readPatch(req.headers['content-type'], await readBody(req, api.limits.bodyBytes));
      const { object, created } = await patch(api, call, what, params);
      return objectReply(api, call, object, created ? 201 : 200);
    }
    case 'delete': {
      const params = noted(call, deleteParams(query, await deleteBody(api, call)));
      const left = await remove(api, call, params);
      if ('status' in left && !('metadata' in left && 'uid' in (left.metadata as object)))
        return { code: 200, body: left };
      if (call.def.kind === 'Namespace' && !params.dryRun) await markTerminating(api.registry, call.name);
      return objectReply(api, call, left as Obj);
    }
    case 'deletecollection': {
      const params = noted(call, deleteParams(query, await deleteBody(api, call)));
      const { items, metadata } = await removeCollection(api, call, params);
      return listReply(api, call, items, metadata);
    }
  }
}

/**
 * `kubectl cluster-info` looks for services of this label and understands core ones only: told that there are
 * none, it prints where the server is.
 */
const isClusterInfo = ({ def, query }: ResourceCall): boolean =>
  def.kind === 'Service' && query.get('labelSelector') === 'kubernetes.io/cluster-service=true';
const noCoreServices = { kind: 'ServiceList', apiVersion: 'v1', metadata: {}, items: [] };

async function bodyObject(api: Api, { req, def }: ResourceCall): Promise<JsonObject> {
  const body = await readBody(req, api.limits.bodyBytes);
  if (mediaType(req.headers['content-type']) === protobufType) return decodeKubernetes(body, def.kind);
  if (body.length === 0) throw badRequest('the request has no body');
  return objectOrThrow(parseByType(req, body));
}

async function deleteBody(api: Api, { req }: ResourceCall): Promise<JsonObject> {
  const body = await readBody(req, api.limits.bodyBytes);
  if (body.length === 0) return {};
  if (mediaType(req.headers['content-type']) === protobufType) return decodeKubernetes(body, 'DeleteOptions');
  return objectOrThrow(parseByType(req, body));
}

async function scale(api: Api, call: ResourceCall): Promise<Reply> {
  const { verb, req, def } = call;
  switch (verb) {
    case 'get':
      return { code: 200, body: scaleOf(def, await get(api, call)) };
    case 'update':
      return {
        code: 200,
        body: await updateScale(api, call, await bodyObject(api, call), paramsOf(call)),
      };
    case 'patch': {
      const what = readPatch(req.headers['content-type'], await readBody(req, api.limits.bodyBytes));
      return { code: 200, body: await patchScale(api, call, what, paramsOf(call)) };
    }
    case 'list':
    case 'watch':
    case 'create':
    case 'delete':
    case 'deletecollection':
      throw notAllowed();
  }
}

async function netCheck(api: Api, call: ResourceCall): Promise<undefined> {
  if (call.def.kind !== 'Node' || api.streams === undefined) throw pathNotFound();
  if (call.verb !== 'get') throw notAllowed();
  // It starts processes on the node: who had it do so is worth a line.
  api.logger.info({ user: call.identity.name, object: `Node/${call.name}` }, 'net check');
  await api.streams.handleNetCheck(call.req, call.res, (await get(api, call)) as Node);
  return undefined;
}

async function log(api: Api, call: ResourceCall): Promise<undefined> {
  if (call.def.kind !== kindByName('Task').kind || api.streams === undefined) throw pathNotFound();
  if (call.verb !== 'get') throw notAllowed();
  await api.streams.handleLog(call.req, call.res, (await get(api, call)) as Task);
  return undefined;
}
