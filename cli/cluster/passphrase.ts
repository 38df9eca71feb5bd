import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { leastPassphrase } from '../../api-schemas/cluster-api.ts';
import { usageError } from '../errors.ts';
import { readFileOf } from '../file-flag.ts';
import { note, type Io } from '../io.ts';

/** From the file, else `$ORC_PASSPHRASE`, else asked for in a terminal without showing it. Never from an argument. */
export async function readPassphrase(io: Io, file: string | undefined, confirm: boolean): Promise<string> {
  if (file !== undefined) return checked(readFileOf('--passphrase-file', file).replace(/\r?\n$/, ''));
  const given = io.env['ORC_PASSPHRASE'];
  if (given !== undefined && given !== '') return checked(given);
  if (!process.stdin.isTTY) {
    throw usageError('no passphrase is given', 'give --passphrase-file or $ORC_PASSPHRASE');
  }
  const first = checked(await ask(io, 'Passphrase: '));
  if (confirm && (await ask(io, 'Once more: ')) !== first) throw usageError('the two passphrases differ');
  return first;
}

function checked(passphrase: string): string {
  if (passphrase.length >= leastPassphrase) return passphrase;
  throw usageError(
    'the passphrase is too short',
    `choose one of ${String(leastPassphrase)} characters or more`,
  );
}

function ask(io: Io, prompt: string): Promise<string> {
  io.stderr.write(prompt);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  return new Promise((resolve) => {
    lines.question('', (answer) => {
      lines.close();
      note(io, '');
      resolve(answer);
    });
  });
}
