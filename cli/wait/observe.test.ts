import { describe, expect, test } from '@jest/globals';
import { condition, service, stack, task } from '../testobjects.ts';
import { viewAlone, viewService, viewStack } from './observe.ts';

const done = {
  desired: 1,
  ready: 1,
  updated: 1,
  replicas: 1,
  currentRevision: 'web-1',
  conditions: [condition('Ready', 'True')],
};

describe('a service', () => {
  test('has converged when it is ready for its present spec and nothing old is left', () => {
    expect(viewService(service('web', {}, done), []).outcome).toBe('converged');
    expect(viewService(service('web', {}, { ...done, observedGeneration: 0 }), []).outcome).toBe('waiting');
    expect(viewService(service('web', {}, { ...done, replicas: 2 }), []).outcome).toBe('waiting');
    expect(
      viewService(service('web', {}, { ...done, conditions: [condition('Ready', 'False')] }), []).outcome,
    ).toBe('waiting');
  });

  test('has failed when it is stalled for its present spec', () => {
    const stalled = {
      ...done,
      ready: 0,
      conditions: [condition('Stalled', 'True', 'RestartsUsedUp', 'slot 1 gave up')],
    };
    expect(viewAlone(service('web', {}, stalled), [])).toMatchObject({
      outcome: 'failed',
      why: 'slot 1 gave up',
    });
    expect(viewAlone(service('web', {}, { ...stalled, observedGeneration: 0 }), []).outcome).toBe('waiting');
  });

  test('shows every wanted slot, with the newest task of each', () => {
    const old = task('web', 1, { state: 'Failed', reason: 'NonZeroExit', message: 'exit code 1' });
    const next = task('web', 1, { state: 'Ready' }, { restarts: 1 });
    const view = viewService(service('web', { replicas: 2 }), [old, next]);
    expect(view.slots).toEqual([
      {
        slot: '1',
        state: 'Ready',
        node: 'node-a',
        problem: 'restart 1: NonZeroExit: exit code 1',
        culprit: old,
      },
      { slot: '2', state: undefined, node: undefined, problem: undefined, culprit: undefined },
    ]);
  });

  test('does not show slots that are on their way out', () => {
    const extra = task('web', 2, { state: 'Running' }, { desiredState: 'Shutdown' });
    expect(
      viewService(service('web', {}, done), [task('web', 1, { state: 'Running' }), extra]).slots.map(
        (s) => s.slot,
      ),
    ).toEqual(['1']);
  });

  test('of global mode has a slot per node', () => {
    const running = task('web', 0, { state: 'Running' });
    const { slot: _, ...spec } = running.spec;
    const view = viewService(service('web', { mode: 'global' }, { ...done }), [{ ...running, spec }]);
    expect(view.slots.map((s) => s.slot)).toEqual(['node-a']);
  });
});

describe('a stack', () => {
  const spec = { web: { image: 'web:1' }, api: { image: 'api:1' } };

  test('waits for services that it has not made yet', () => {
    const view = viewStack(stack('hello', spec), [service('hello-web', {}, done, 'hello')], []);
    expect(view.services.map((s) => [s.name, s.outcome])).toEqual([
      ['web', 'converged'],
      ['api', 'waiting'],
    ]);
    expect(view.outcome).toBe('waiting');
  });

  test('has converged with its services and its own word', () => {
    const services = ['hello-web', 'hello-api'].map((name) => service(name, {}, done, 'hello'));
    expect(viewStack(stack('hello', spec), services, []).outcome).toBe('converged');
    const notYet = stack('hello', spec, { conditions: [condition('Ready', 'False')] });
    expect(viewStack(notYet, services, []).outcome).toBe('waiting');
  });

  test('fails with the service that fails', () => {
    const stalled = service(
      'hello-web',
      {},
      { ...done, conditions: [condition('Stalled', 'True', 'X', 'gave up')] },
      'hello',
    );
    expect(viewStack(stack('hello', spec), [stalled], [])).toMatchObject({
      outcome: 'failed',
      why: 'web: gave up',
    });
  });

  test('does not count services of others', () => {
    expect(viewStack(stack('hello', spec), [service('hello-web', {}, done)], []).services[0]?.outcome).toBe(
      'waiting',
    );
  });
});
