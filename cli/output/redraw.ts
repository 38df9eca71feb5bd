/** Redraws a block of lines in place. */
import type { Writable } from 'node:stream';

export interface Redraw {
  /** Replaces what was drawn before. Lines must be no wider than the terminal. */
  draw(lines: readonly string[]): void;
  /** Leaves the block as it stands and gives the cursor back. Idempotent. */
  end(): void;
}

export function redraw(stream: Writable): Redraw {
  let height = 0;
  let hidden = false;
  let before = '';
  return {
    draw(lines) {
      const text = lines.map((line) => `${line}\u001b[K\n`).join('');
      if (text === before) return;
      before = text;
      const up = height > 0 ? `\u001b[${String(height)}A\r` : '';
      stream.write(`${hidden ? '' : '\u001b[?25l'}${up}${text}\u001b[J`);
      hidden = true;
      height = lines.length;
    },
    end() {
      if (hidden) stream.write('\u001b[?25h');
      hidden = false;
      height = 0;
    },
  };
}
