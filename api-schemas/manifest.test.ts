import { test } from '@jest/globals';
import { formatProblem, parseManifest } from './index.ts';
const show = (t: string) =>
  console.log(
    parseManifest(t, 'a.yml').problems.map(formatProblem).join('\n') || 'fine',
    parseManifest(t, 'a.yml').documents.length,
  );
test('x', () => {
  show(
    `apiVersion: orc.dev/v1\nkind: Stack\nmetadata:\n  name: hello\nspec:\n  services:\n    web:\n      image: Nginx\n      replica: 3\n      ports:\n        - target: 99999\n        - published: 80\n      enviroment:\n        A: b\n      restart:\n`,
  );
  show(`a: 1\n\tb: 2\n`);
  show(`a: 1\na: 2\n`);
  show(`a: [1,\n`);
  show(`kind: Stak\napiVersion: orc.dev/v1`);
  show(`kind: Stack\napiVersion: orc/v1`);
  show(`---\n---\n`);
  show(`- 1`);
  show(`kind: List\nitems:\n- kind: Foo\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: A}\n`);
  show(
    'a: &a [x,x,x,x,x,x,x,x,x]\n' +
      'bcdefghij'
        .split('')
        .map(
          (c, i) =>
            `${c}: &${c} [${Array(9)
              .fill('*' + 'abcdefghij'[i])
              .join(',')}]\n`,
        )
        .join(''),
  );
  const t = Date.now();
  show('['.repeat(100000));
  show('{a: '.repeat(5000));
  show('x'.repeat(9e6));
  console.log(Date.now() - t);
  show('{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"ok"}}');
  show(
    'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: ok\n  labels:\n    a/b/c: d\n    x.y/z: "-"\n    q: 5',
  );
});
