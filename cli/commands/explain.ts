import type { Schema } from '../../api-schemas/dialect.ts';
import { defineCommand } from '../command.ts';
import { CliError } from '../errors.ts';
import { say } from '../io.ts';
import { resolveKind } from '../kinds.ts';
import { nearest } from '../parse.ts';
import { paletteFor } from '../output/color.ts';
import { childOf, fieldList, fieldsOf, typeOf } from '../output/schema.ts';
import { wrap } from '../output/text.ts';

export const command = defineCommand({
  positionals: '<path>',
  describe: 'Explain a kind and its fields.',
  examples: [
    ['orc explain service', 'The kind and its top fields'],
    ['orc explain service.spec.healthcheck', 'One field'],
    ['orc explain stack.spec --recursive', 'All fields below'],
  ],
  options: (yargs) =>
    yargs
      .positional('path', { type: 'string', demandOption: true, describe: 'KIND[.field…]' })
      .option('recursive', { type: 'boolean', default: false, describe: 'Show the fields of fields too' }),

  run({ io }, { path, recursive }) {
    const [word = '', ...steps] = path.split('.');
    const def = resolveKind(word);
    const schema = steps.reduce(
      (at, step, i) => child(at, step, [word, ...steps.slice(0, i)].join('.')),
      def.schema,
    );
    const palette = paletteFor(io.color);
    const columns = Math.max(50, Math.min(io.columns(), 100));
    say(io, `${palette.bold('KIND:')}     ${def.kind}`);
    say(io, `${palette.bold('VERSION:')}  ${def.apiVersion}`);
    if (steps.length > 0) say(io, `${palette.bold('FIELD:')}    ${steps.at(-1) ?? ''} <${typeOf(schema)}>`);
    say(io, `\n${palette.bold('DESCRIPTION:')}`);
    for (const line of describeLines(schema))
      for (const part of wrap(line, columns - 4)) say(io, `    ${part}`);
    const fields = fieldList(schema, { recursive, columns, palette });
    if (fields.length > 0) say(io, `\n${palette.bold('FIELDS:')}`);
    for (const line of fields) say(io, line);
    return Promise.resolve();
  },
});

function describeLines(schema: Schema): string[] {
  return [
    schema.description,
    ...(schema['x-orc-expect'] === undefined ? [] : [`Expected: ${schema['x-orc-expect']}.`]),
    ...(schema.enum === undefined ? [] : [`One of: ${schema.enum.join(', ')}.`]),
    ...(schema.default === undefined ? [] : [`Default: ${JSON.stringify(schema.default)}.`]),
  ];
}

function child(schema: Schema, step: string, path: string): Schema {
  const found = childOf(schema, step);
  if (found !== undefined) return found;
  const near = nearest(step, fieldsOf(schema)) ?? schema['x-orc-instead']?.[step];
  throw new CliError(`${path} has no field "${step}"`, {
    remedy: near === undefined ? `\`orc explain ${path}\` lists its fields` : `did you mean "${near}"?`,
  });
}
