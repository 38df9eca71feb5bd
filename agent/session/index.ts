export { connectSession, type AgentSession, type SessionOptions } from './session.ts';
export { startSignOfLife, type SignOfLife } from './sign-of-life.ts';
export type { AgentStream } from './stream.ts';
