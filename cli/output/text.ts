/** Text in a terminal: what it measures, where it wraps, and that it cannot steer the terminal. */

const escapes = /\u001b\[[0-9;]*m/g;
const control = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u;

/** Columns that `text` takes, colours not counted. */
export function width(text: string): number {
  let columns = 0;
  for (const char of text.replace(escapes, '')) columns += wide.test(char) ? 2 : 1;
  return columns;
}

/** Control characters made visible (`^[`), so that stored text never moves the cursor. */
export const visible = (text: string): string =>
  text.replace(control, (char) => {
    const code = char.charCodeAt(0);
    return code < 32 ? `^${String.fromCharCode(code + 64)}` : '\ufffd';
  });

/** The first line, visible, and `...` when there was more. For table cells and one-line messages. */
export function oneLine(text: string): string {
  const end = text.search(/[\n\r\f]/);
  return end < 0 ? visible(text) : `${visible(text.slice(0, end)).trimEnd()}...`;
}

export const pad = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - width(text)));

/** At most `columns` wide; colours survive and are closed. */
export function truncate(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  let used = 0;
  let out = '';
  let colored = false;
  for (let i = 0; i < text.length;) {
    escapes.lastIndex = i;
    const escape = escapes.exec(text);
    if (escape !== null && escape.index === i) {
      out += escape[0];
      colored = true;
      i += escape[0].length;
      continue;
    }
    const char = String.fromCodePoint(text.codePointAt(i) ?? 32);
    const next = wide.test(char) ? 2 : 1;
    if (used + next > columns - 1) break;
    out += char;
    used += next;
    i += char.length;
  }
  escapes.lastIndex = 0;
  return `${out}…${colored ? '\u001b[0m' : ''}`;
}

/** Breaks at spaces; a word longer than a line stays whole. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = '';
    for (const word of paragraph.split(/\s+/)) {
      if (line !== '' && width(line) + 1 + width(word) > columns) {
        lines.push(line);
        line = word;
      } else {
        line = line === '' ? word : `${line} ${word}`;
      }
    }
    lines.push(line);
  }
  return lines;
}
