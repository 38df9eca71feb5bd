export { connectSession, type AgentSession, type SessionOptions } from './session.ts';
export type { AgentStream } from './stream.ts';
