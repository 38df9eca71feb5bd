import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeKubernetes } from './kubernetes.ts';
import { bytesField, fieldsOf } from './wire.ts';

const envelope = (apiVersion: string, kind: string, raw: Buffer): Buffer =>
  Buffer.concat([
    Buffer.from('k8s\0'),
    bytesField(1, Buffer.concat([bytesField(1, apiVersion), bytesField(2, kind)])),
    bytesField(2, raw),
  ]);

describe('protobuf bodies', () => {
  test('an access review and a namespace', () => {
    const attributes = Buffer.concat([bytesField(1, 'ns'), bytesField(2, 'get'), bytesField(5, 'services')]);
    const review = envelope(
      'authorization.k8s.io/v1',
      'SelfSubjectAccessReview',
      bytesField(2, bytesField(1, attributes)),
    );
    expect(decodeKubernetes(review, 'SelfSubjectAccessReview')).toEqual({
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: { namespace: 'ns', verb: 'get', resource: 'services' } },
    });
    const label = bytesField(11, Buffer.concat([bytesField(1, 'a'), bytesField(2, 'b')]));
    const namespace = envelope(
      'v1',
      'Namespace',
      bytesField(1, Buffer.concat([bytesField(1, 'made'), label])),
    );
    expect(decodeKubernetes(namespace, 'Namespace')).toMatchObject({
      metadata: { name: 'made', labels: { a: 'b' } },
    });
  });

  test('what is cut off, foreign or unknown is refused', () => {
    const whole = envelope('v1', 'Namespace', bytesField(1, bytesField(1, 'made')));
    expect(() => decodeKubernetes(whole.subarray(0, -2), 'Namespace')).toThrow('protobuf');
    expect(() => decodeKubernetes(Buffer.from('{}'), 'Namespace')).toThrow('protobuf');
    expect(() => decodeKubernetes(whole, 'SelfSubjectReview')).toThrow('holds a Namespace');
    expect(() => decodeKubernetes(envelope('v1', 'Pod', Buffer.alloc(0)), 'Pod')).toThrow('media types');
  });

  test('no bytes crash it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          for (const field of fieldsOf(Buffer.from(bytes))) void field;
          decodeKubernetes(Buffer.concat([Buffer.from('k8s\0'), bytes]), 'DeleteOptions');
        } catch (error) {
          return error instanceof Error && error.name === 'ApiError';
        }
        return true;
      }),
    );
  });
});
