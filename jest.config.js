/** One configuration; `scripts/jest.mjs` picks the suite by path. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '\\.ts$': '<rootDir>/scripts/jest-esbuild.mjs' },
  testMatch: ['<rootDir>/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', '/dist/', '/.orc/'],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.orc/'],
  // Node 20 keeps the modules of finished ESM test files in memory; a worker past this size is replaced.
  workerIdleMemoryLimit: '512MB',
  testTimeout: 20_000,
};
