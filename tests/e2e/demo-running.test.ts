import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root, runDemo, RunningDemo } from './demo-harness.ts';

describe('A running demo', () => {
  const parent = mkdtempSync('/var/tmp/orc-demo-');
  const dir = join(parent, 'demo');
  let demo: RunningDemo;
  let setUp = '';
  let lines: readonly string[] = [];
  beforeAll(async () => {
    demo = new RunningDemo(['--simulated', '--dir', dir]);
    const printed = (await demo.printed('Running until Ctrl-C')).split('What to try next')[1] ?? '';
    const shown = printed
      .split('\n')
      .filter((line) => line.startsWith('  ') && !line.startsWith('  Running'));
    [setUp = '', ...lines] = shown.map((line) => line.trim());
  }, 120_000);
  afterAll(async () => {
    await demo.end('SIGKILL');
    runDemo(['--exit', '--simulated', '--dir', dir]);
    rmSync(parent, { recursive: true, force: true });
  }, 120_000);

  /** As typed at a prompt; those that follow are interrupted once they have printed. */
  async function type(line: string): Promise<{ code: number | null; output: string }> {
    const text = `shopt -s expand_aliases\n${setUp}\n${line}\n`;
    if (line.includes(' -it ')) {
      const { status, stdout } = spawnSync('script', ['-qec', `bash -c '${text}'`, '/dev/null'], {
        input: 'echo typed\nexit\n',
        encoding: 'utf8',
        cwd: root,
      });
      return { code: status, output: stdout };
    }
    const shell = spawn('bash', ['-c', text], { cwd: root, detached: true });
    let output = '';
    for (const stream of [shell.stdout, shell.stderr])
      stream.on('data', (chunk) => (output += String(chunk)));
    if (/ -(w|f) |-w( |$)/.test(line) && !line.includes('delete')) {
      await Promise.race([once(shell.stdout, 'data'), once(shell, 'exit')]);
      if (shell.exitCode === null) process.kill(-(shell.pid ?? 0), 'SIGINT');
    }
    if (shell.exitCode === null && shell.signalCode === null) await once(shell, 'close');
    return { code: shell.exitCode, output };
  }

  test('is not ended by a second one, which says where the first is and how to end it', async () => {
    const { code, stdout, stderr } = runDemo(['--simulated', '--dir', dir]);
    expect(code).toBe(3);
    expect(stdout).toBe('');
    expect(stderr).toContain(`a demo runs already in ${dir}: process ${String(demo.child.pid)}`);
    expect(stderr).toMatch(/its API is at https:\/\/127\.0\.0\.1:\d+/);
    expect(stderr).toContain(`kill ${String(demo.child.pid)}`);
    const look = /look at it: +(.*)$/m.exec(stderr)?.[1] ?? '';
    expect(spawnSync('bash', ['-c', look], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    expect(demo.child.exitCode).toBeNull();
  }, 60_000);

  test('recommends only commands that work', async () => {
    expect(lines.length).toBeGreaterThan(4);
    for (const line of lines) {
      const { code, output } = await type(line);
      const isInterrupted = code === 130 || code === null;
      expect({ line, output, fails: code !== 0 && !isInterrupted }).toMatchObject({ line, fails: false });
      expect(output).not.toMatch(/error/i);
      expect(output).not.toBe('');
    }
  }, 120_000);

  test('leaves the shell of a person who looks at it alone, and nothing else', async () => {
    const shell = spawn('bash', ['-c', 'read line'], {
      env: { ...process.env, ORC_CONFIG: join(dir, 'config') },
    });
    const { code, stdout } = await demo.end('SIGINT');
    expect(stdout).toContain('Ending');
    expect(code).toBe(0);
    expect(existsSync(dir)).toBe(false);
    expect(existsSync(`${dir}.lock`)).toBe(false);
    expect(shell.exitCode ?? shell.signalCode).toBeNull();
    const gone = once(shell, 'exit');
    shell.stdin.end();
    await gone;
  }, 60_000);
});
