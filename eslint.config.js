import tseslint from 'typescript-eslint';

/** DESIGN: which rooms a room may import. What is not named here is refused. */
const arrows = {
  kit: [],
  'api-schemas': ['kit'],
  store: ['kit', 'api-schemas'],
  client: ['kit', 'api-schemas'],
  controllers: ['kit', 'api-schemas', 'store'],
  server: ['kit', 'api-schemas', 'store'],
  agent: ['kit', 'api-schemas', 'client'],
  cli: ['kit', 'api-schemas', 'client'],
};
const rooms = Object.keys(arrows);

const boundaries = rooms.map((room) => ({
  files: [`${room}/**/*.ts`],
  ignores: ['**/*.test.ts', 'cli/compose/**'],
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          ...rooms
            .filter((other) => other !== room && !arrows[room].includes(other))
            .map((other) => ({
              regex: `^(\\.\\./)+${other}/`,
              message: `${room}/ may not import ${other}/ (docs/decisions/0001-rooms.md).`,
            })),
          { regex: '^(\\.\\./)+tests/', message: 'Nothing imports tests/.' },
        ],
      },
    ],
  },
}));

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '.orc/**', 'coverage/**'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  { files: ['**/*.test.ts', 'tests/**'], rules: { 'max-lines': ['error', 600] } },
  ...boundaries,
);
