// Generates `api-schemas/<folder>/types.ts` from the folder's `schema.ts`. `--check` writes nothing and fails
// when a file is stale.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { compile } from 'json-schema-to-typescript';
import prettier from 'prettier';
import ts from 'typescript';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const room = path.join(root, 'api-schemas');
const check = process.argv.includes('--check');

/** Folders whose types others use come first: a title belongs to the first folder that has it. */
const shared = ['metadata', 'task-template', 'service', 'network'];
const folders = readdirSync(room)
  .filter((folder) => existsSync(path.join(room, folder, 'schema.ts')))
  .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));

function rank(folder) {
  return shared.includes(folder) ? shared.indexOf(folder) : shared.length;
}

/** The schemas a folder exports, evaluated. */
async function schemasOf(folder) {
  const { outputFiles } = await build({
    entryPoints: [path.join(room, folder, 'schema.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    packages: 'external',
  });
  const url = `data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`;
  const isSchema = (value) =>
    typeof value === 'object' && value !== null && typeof value.description === 'string';
  return Object.values(await import(url)).filter(isSchema);
}

const owner = new Map([['Obj', 'metadata']]);
const moduleOf = { Obj: '../metadata/object.ts' };
const shapes = new Map();

function titles(schema, visit) {
  if (schema.title !== undefined) visit(schema);
  for (const below of [
    ...Object.values(schema.properties ?? {}),
    ...(schema.anyOf ?? []),
    ...[schema.items, schema.additionalProperties].filter(Boolean),
  ]) {
    titles(below, visit);
  }
}

/** As JSON Schema for the compiler. Titles of other folders become names to import. */
function plain(schema, folder, imports, top = false) {
  const { title } = schema;
  if (title !== undefined && !top) {
    if (owner.get(title) !== folder) imports.add(title);
    return { tsType: title, description: schema.description };
  }
  const out = { description: schema.description };
  for (const key of ['type', 'enum']) if (schema[key] !== undefined) out[key] = schema[key];
  if (title !== undefined) out.title = title;
  if (schema.properties !== undefined) {
    const base = parentOf(schema);
    const inherited = new Set(
      base === undefined
        ? []
        : base === 'Obj'
          ? ['apiVersion', 'metadata']
          : Object.keys(shapes.get(base).properties),
    );
    const own = Object.entries(schema.properties).filter(([key]) => !inherited.has(key));
    out.properties = Object.fromEntries(own.map(([key, child]) => [key, plain(child, folder, imports)]));
    out.required = [...(schema.required ?? []), ...(schema['x-orc-always'] ?? [])].filter(
      (key) => key in out.properties,
    );
    out.additionalProperties = false;
    if (base !== undefined && owner.get(base) !== folder) imports.add(base);
  } else if (schema.additionalProperties !== undefined) {
    out.additionalProperties = plain(schema.additionalProperties, folder, imports);
  } else if (schema.type === 'object') out.additionalProperties = true;
  if (schema.items !== undefined) {
    out.items = plain(schema.items, folder, imports);
    delete out.items.description;
  }
  if (schema.anyOf !== undefined) out.anyOf = schema.anyOf.map((branch) => plain(branch, folder, imports));
  return out;
}

/** The type that a schema's type extends: `Obj` for a whole object, else what the schema says. */
function parentOf(schema) {
  if (schema.properties.apiVersion !== undefined && schema.properties.metadata !== undefined) return 'Obj';
  return schema['x-orc-extends']?.title;
}

/** Makes every property readonly, and every list. */
function readonly(text) {
  const file = ts.createSourceFile('types.ts', text, ts.ScriptTarget.Latest, true);
  const inserts = [];
  const visit = (node) => {
    if (ts.isPropertySignature(node) || ts.isIndexSignatureDeclaration(node))
      inserts.push([node.getStart(file, false), 'readonly ']);
    if (ts.isArrayTypeNode(node)) {
      const nested = ts.isArrayTypeNode(node.parent);
      inserts.push([node.getStart(file), nested ? '(readonly ' : 'readonly ']);
      if (nested) inserts.push([node.getEnd(), ')']);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  // Outer nodes come first in `inserts`; at one position theirs must stay first.
  let out = text;
  for (const [at, what] of inserts
    .map((entry, order) => [...entry, order])
    .sort((a, b) => b[0] - a[0] || b[2] - a[2]))
    out = out.slice(0, at) + what + out.slice(at);
  return out;
}

const options = {
  bannerComment: '',
  format: false,
  additionalProperties: false,
  ignoreMinAndMaxItems: true,
  unreachableDefinitions: false,
};

const loaded = new Map();
for (const folder of folders) {
  const schemas = await schemasOf(folder);
  loaded.set(folder, schemas);
  for (const schema of schemas)
    titles(schema, (titled) => {
      if (!owner.has(titled.title)) owner.set(titled.title, folder);
      if (!shapes.has(titled.title)) shapes.set(titled.title, titled);
    });
}

const stale = [];
for (const folder of folders) {
  const mine = new Map();
  for (const schema of loaded.get(folder))
    titles(schema, (titled) => {
      if (owner.get(titled.title) === folder) mine.set(titled.title, titled);
    });
  const imports = new Set();
  let body = '';
  for (const [title, schema] of mine) {
    const text = await compile(plain(schema, folder, imports, true), title, options);
    const base = schema.properties === undefined ? undefined : parentOf(schema);
    body += `${base === undefined ? text : text.replace(`interface ${title} {`, `interface ${title} extends ${base} {`)}\n`;
  }
  const sources = new Map();
  for (const name of [...imports].sort()) {
    const source = moduleOf[name] ?? `../${owner.get(name)}/types.ts`;
    sources.set(source, [...(sources.get(source) ?? []), name]);
  }
  const head = [...sources]
    .sort()
    .map(([source, names]) => `import type { ${names.join(', ')} } from '${source}';\n`);
  const target = path.join(room, folder, 'types.ts');
  const text = await prettier.format(
    `// Generated by \`npm run generate\` from schema.ts. Do not edit.\n${head.join('')}\n${readonly(body).replace(/\/\*\*\n\s*\* (.*)\n\s*\*\//g, '/** $1 */')}`,
    { ...(await prettier.resolveConfig(target)), parser: 'typescript' },
  );
  const before = existsSync(target) ? readFileSync(target, 'utf8') : '';
  if (before === text) continue;
  stale.push(path.relative(root, target));
  if (!check) writeFileSync(target, text);
}
if (check && stale.length > 0) {
  console.error(`stale, run \`npm run generate\`: ${stale.join(', ')}`);
  process.exit(1);
}
for (const file of stale) console.log(`wrote ${file}`);
