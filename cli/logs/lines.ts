/** Log streams as lines with their time. */
import { StringDecoder } from 'node:string_decoder';

export interface LogLine {
  /** RFC 3339 with nanoseconds, as the engine gives it; empty when there is none. */
  readonly time: string;
  readonly text: string;
}

/** A line without end is given out in pieces of this size. */
const maxLine = 256 * 1024;
const stamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?/;

export function parseLine(line: string): LogLine {
  const [head, time = ''] = stamp.exec(line) ?? ['', ''];
  return { time, text: line.slice(head.length).replace(/\r$/, '') };
}

export async function* linesOf(stream: AsyncIterable<unknown>): AsyncGenerator<LogLine> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of stream) {
    rest += decoder.write(chunk as Buffer);
    const parts = rest.split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) yield parseLine(part);
    if (rest.length > maxLine) {
      yield parseLine(rest);
      rest = '';
    }
  }
  rest += decoder.end();
  if (rest !== '') yield parseLine(rest);
}

/** Lines of several finished logs in the order of their times. Holds one line of each in memory. */
export async function* mergeByTime<T>(
  sources: readonly { readonly tag: T; readonly lines: AsyncIterable<LogLine> }[],
): AsyncGenerator<{ readonly tag: T; readonly line: LogLine }> {
  const heads = await Promise.all(
    sources.map(async ({ tag, lines }) => {
      const iterator = lines[Symbol.asyncIterator]();
      return { tag, iterator, head: await iterator.next() };
    }),
  );
  for (;;) {
    let first: (typeof heads)[number] | undefined;
    for (const source of heads) {
      if (source.head.done === true) continue;
      const time = source.head.value.time;
      if (first === undefined || (first.head.done !== true && time < first.head.value.time)) first = source;
    }
    if (first === undefined || first.head.done === true) return;
    yield { tag: first.tag, line: first.head.value };
    first.head = await first.iterator.next();
  }
}
