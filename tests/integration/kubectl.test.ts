import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Service } from '../../api-schemas/index.ts';
import { startTestApi, type TestApi } from './api-harness.ts';
import { debianKubectl, kubectlFor, otherKubectls, type Kubectl, type Ran } from './kubectl-harness.ts';

jest.setTimeout(60_000);

const manifest = (name: string, extra = ''): string => `apiVersion: orc.dev/v1
kind: Service
metadata:
  name: ${name}
  labels: {app: ${name}}
spec:
  image: web:1
  replicas: 2
${extra}`;

for (const program of [debianKubectl(), ...otherKubectls()]) {
  describe(program.replace(/^.*\.orc\/cache\//, ''), () => {
    let api: TestApi;
    let kubectl: Kubectl;
    beforeAll(async () => {
      api = await startTestApi();
      kubectl = kubectlFor(program, api);
    }, 120_000);
    afterAll(async () => {
      kubectl.close();
      await api.stop();
    });
    const ok = async (args: string, input?: string): Promise<string> => {
      const ran = await kubectl(args.split(' '), input);
      expect({ args, code: ran.code, err: ran.code === 0 ? '' : ran.err }).toEqual({
        args,
        code: 0,
        err: '',
      });
      return ran.out;
    };
    const fails = async (args: string, input?: string): Promise<Ran> => {
      const ran = await kubectl(args.split(' '), input);
      expect({ args, failed: ran.code !== 0 }).toEqual({ args, failed: true });
      return ran;
    };
    const ready = (name: string, status: 'True' | 'False'): Promise<Service> =>
      api.store.registry.modify<Service>({ kind: 'Service', namespace: 'default', name }, (service) => ({
        ...service,
        status: {
          ...service.status,
          observedGeneration: service.metadata.generation ?? 0,
          desired: 2,
          replicas: 2,
          ready: status === 'True' ? 2 : 0,
          conditions: [
            {
              type: 'Available',
              status,
              reason: 'Test',
              message: 'set by the test',
              lastTransitionTime: '2030-01-01T00:00:00Z',
              observedGeneration: service.metadata.generation ?? 0,
            },
          ],
        },
      }));

    test('api-resources, api-versions, version, cluster-info', async () => {
      const resources = await ok('api-resources');
      for (const kind of ['Service', 'Stack', 'Task', 'Node', 'Namespace', 'Event', 'Lease']) {
        expect(resources).toMatch(new RegExp(`\\b${kind}\\b`));
      }
      expect(await ok('api-versions')).toContain('orc.dev/v1');
      expect(await ok('version')).toContain('orc');
      expect(await ok('cluster-info')).toContain(api.url);
    });

    test('apply creates, changes, leaves alone; get prints columns, yaml, json and names', async () => {
      expect(await ok('apply -f -', manifest('web'))).toContain('service.orc.dev/web created');
      expect(await ok('apply -f -', manifest('web'))).toContain('unchanged');
      expect(await ok('apply -f -', manifest('web', '  hostname: h\n'))).toContain('configured');
      const table = await ok('get services');
      expect(table).toMatch(/^NAME +/);
      expect(table).toMatch(/\nweb +/);
      expect(await ok('get services -o wide')).toContain('web:1');
      expect(await ok('get services -A')).toMatch(/NAMESPACE +NAME/);
      expect(await ok('get service web -o yaml')).toContain('hostname: h');
      expect(JSON.parse(await ok('get service web -o json')).spec.replicas).toBe(2);
      expect(await ok('get services -o name')).toContain('service.orc.dev/web');
      expect(await ok('get services -o jsonpath={.items[*].metadata.name}')).toContain('web');
      expect(await ok('get services --sort-by=.metadata.name --show-labels -l app=web')).toContain('app=web');
      expect(await ok('get services --chunk-size=1')).toContain('web');
      expect(await ok('get all')).toContain('service.orc.dev/web');
      expect((await fails('get service nope')).err).toContain('services.orc.dev "nope" not found');
      expect((await fails('get services --field-selector spec.command=x')).err).toContain(
        'field label not supported: spec.command',
      );
    });

    test('describe shows spec and events', async () => {
      const uid = api.store.cache.get('Service', 'default', 'web')?.metadata.uid ?? '';
      await api.store.registry.create({
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: 'web.1', namespace: 'default' },
        involvedObject: { kind: 'Service', name: 'web', namespace: 'default', uid, apiVersion: 'orc.dev/v1' },
        reason: 'Tested',
        message: 'as described',
        type: 'Normal',
        count: 3,
        firstTimestamp: '2024-01-01T00:00:00Z',
        lastTimestamp: '2024-01-01T00:00:00Z',
        source: { component: 'test' },
      } as never);
      const text = await ok('describe service web');
      expect(text).toMatch(/Image: +web:1/);
      expect(text).toContain('as described');
      expect(await ok('get events')).toContain('as described');
    });

    test('get -w prints changes as they come', async () => {
      const out = await kubectl.until(
        ['get', 'services', '-w'],
        (text) => text.includes('watched'),
        () => ok('apply -f -', manifest('watched')),
      );
      expect(out).toMatch(/^NAME/);
      await ok('delete service watched');
    });

    test('wait --for=condition and --for=delete', async () => {
      await ready('web', 'False');
      expect((await fails('wait service/web --for=condition=Available --timeout=1s')).err).toContain(
        'timed out',
      );
      const waited = ok('wait service/web --for=condition=Available --timeout=20s');
      await new Promise((resolve) => setTimeout(resolve, 500));
      await ready('web', 'True');
      expect(await waited).toContain('condition met');
      await ok('apply -f -', manifest('leaving'));
      const gone = ok('wait service/leaving --for=delete --timeout=20s');
      await new Promise((resolve) => setTimeout(resolve, 500));
      await ok('delete service leaving');
      await gone;
    });

    test('scale, label, annotate, patch, replace, edit', async () => {
      expect(await ok('scale service/web --replicas=5')).toContain('scaled');
      expect(JSON.parse(await ok('get service web -o json')).spec.replicas).toBe(5);
      expect(await ok('label service web tier=front')).toContain('label');
      expect(await ok('annotate service web note=hello')).toContain('annotate');
      await ok('patch service web --type=merge -p {"spec":{"image":"web:2"}}');
      await ok('patch service web --type=json -p [{"op":"replace","path":"/spec/image","value":"web:3"}]');
      expect((await fails('patch service web -p {"spec":{"image":"web:2"}}')).err).toMatch(
        /415|unknown format|UnsupportedMediaType/i,
      );
      const current = JSON.parse(await ok('get service web -o json'));
      expect(current).toMatchObject({
        spec: { image: 'web:3' },
        metadata: { labels: { tier: 'front' }, annotations: { note: 'hello' } },
      });
      expect(
        await ok('replace -f -', JSON.stringify({ ...current, spec: { ...current.spec, image: 'web:4' } })),
      ).toContain('replaced');
      process.env['KUBE_EDITOR'] = 'sed -i s/web:4/web:5/';
      expect(await ok('edit service web')).toContain('edited');
      delete process.env['KUBE_EDITOR'];
      expect(JSON.parse(await ok('get service web -o json')).spec.image).toBe('web:5');
    });

    test('diff and dry-run change nothing', async () => {
      const before = await ok('get service web -o json');
      const diff = await kubectl(['diff', '-f', '-'], manifest('web', '  hostname: other\n'));
      expect(diff.code).toBe(1);
      expect(diff.out).toContain('+  hostname: other');
      expect(await ok('apply --dry-run=server -f -', manifest('web', '  hostname: other\n'))).toContain(
        'dry run',
      );
      expect(await ok('create --dry-run=server -f -', manifest('fresh'))).toContain('dry run');
      expect(await ok('delete service web --dry-run=server')).toContain('dry run');
      expect(await ok('get service web -o json')).toBe(before);
    });

    test('apply --server-side, a conflict, and taking over', async () => {
      const side = 'apply --server-side -f -';
      expect(await ok(side, manifest('ssa'))).toContain('serverside-applied');
      const other = await fails(
        `${side} --field-manager=other`,
        manifest('ssa').replace('replicas: 2', 'replicas: 3'),
      );
      expect(other.err).toContain('conflict with "kubectl"');
      expect(other.err).toContain('.spec.replicas');
      await ok(
        `${side} --field-manager=other --force-conflicts`,
        manifest('ssa').replace('replicas: 2', 'replicas: 3'),
      );
      expect((await fails(side, manifest('ssa'))).err).toContain('conflict with "other"');
      // What client-side apply had set passes to server-side apply without a conflict.
      await ok('apply -f -', manifest('mig'));
      await ok(side, manifest('mig').replace('replicas: 2', 'replicas: 4'));
      expect(JSON.parse(await ok('get service mig -o json')).spec.replicas).toBe(4);
      await ok('delete service ssa mig');
    });

    test('mistakes are named', async () => {
      const typo = await fails('apply -f -', manifest('bad', '  replcas: 1\n'));
      expect(typo.err).toContain('replcas');
      const value = await fails(
        'apply --validate=false -f -',
        manifest('bad').replace('replicas: 2', 'replicas: -2'),
      );
      expect(value.err).toContain('spec.replicas');
    });

    test('explain', async () => {
      expect(await ok('explain service')).toContain('spec');
      expect(await ok('explain service.spec.ports')).toMatch(/target/);
    });

    test('auth can-i and namespaces', async () => {
      expect(await ok('auth can-i get services')).toContain('yes');
      expect(await ok('auth can-i --list')).toContain('*');
      expect(await ok('create namespace made')).toContain('created');
      expect(await ok('get namespaces')).toMatch(/made +Active/);
      if (kubectl.minor >= 28) expect(await ok('auth whoami')).toContain('admin');
      if (kubectl.minor >= 26) expect(await ok('events')).toContain('as described');
    });

    test('delete by name, by label, and all', async () => {
      expect(await ok('delete service web')).toContain('deleted');
      await ok('apply -f -', `${manifest('d1')}---\n${manifest('d2')}---\n${manifest('d3')}`);
      await ok('delete services -l app=d1');
      expect(await ok('delete services --all')).toContain('d3');
      expect((await kubectl(['get', 'services'])).err).toContain('No resources found');
    });
  });
}
