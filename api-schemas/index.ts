export * from './types.ts';
export * from './session.ts';
