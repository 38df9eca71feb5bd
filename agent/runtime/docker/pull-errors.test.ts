import { describe, expect, test } from '@jest/globals';
import { pullError } from './pull-errors.ts';

/** As dockerode throws it. */
const answer = (statusCode: number, text: string): Error =>
  Object.assign(new Error(`(HTTP code ${statusCode}) server error - ${text} `), { statusCode, json: null });

const image = 'registry.example:5000/team/app:1';

describe('a pull that failed', () => {
  test.each([
    // An own registry with htpasswd, Engine 20.10 and 28.5.
    [500, `Head "https://${image}": no basic auth credentials`],
    [500, `Head "https://${image}": unauthorized: authentication required`],
    [500, 'error from registry: denied'],
    [404, "pull access denied for team/app, repository does not exist or may require 'docker login': denied: requested access to the resource is denied"], // prettier-ignore
    [500, 'unexpected status code [manifests 1]: 403 Forbidden'],
  ])('for want of credentials (%d %s) says that orc has none, and what works', (status, text) => {
    const error = pullError(answer(status, text), image, undefined);
    expect(error).toMatchObject({ kind: 'ImagePullFailed', reason: 'PullAccessDenied' });
    expect(error.message).toContain(`pulling ${image}: ${text}. If the name is right`);
    expect(error.message).toContain('orc cannot give any yet');
    expect(error.message).toContain(
      `\`docker pull ${image}\`), with pullPolicy missing (the default) or never.`,
    );
  });

  test('is advised to be made by hand for the same image and platform', () => {
    const digest = `sha256:${'ab'.repeat(32)}`;
    const { message } = pullError(answer(500, 'unauthorized'), `app@${digest}`, 'linux/arm64');
    expect(message).toContain(`\`docker pull --platform linux/arm64 app@${digest}\``);
  });

  test.each([
    'manifest for app:9 not found: manifest unknown',
    'dial tcp: lookup registry.example: no such host',
    'mkdir /var/lib/docker/tmp: permission denied',
    'toomanyrequests: You have reached your pull rate limit.',
  ])('otherwise (%s) gives no such advice', (text) => {
    const error = pullError(answer(500, text), image, undefined);
    expect(error).toMatchObject({ kind: 'ImagePullFailed', reason: 'ImagePullFailed' });
    expect(error.message).toBe(`pulling ${image}: ${text.replace(/\.$/, '')}.`);
  });

  test('on a full disk says how to free it, and without an engine is no failure of the pull', () => {
    const full = pullError(answer(500, 'write /x: no space left on device'), image, undefined);
    expect(full).toMatchObject({ kind: 'ImagePullFailed', reason: 'ImagePullFailed' });
    expect(full.message).toContain('docker system prune');
    const gone = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(pullError(gone, image, undefined).kind).toBe('EngineUnavailable');
  });
});
