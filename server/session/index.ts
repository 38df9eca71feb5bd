export { createGateway } from './gateway.ts';
export type { FrameStream } from './frames.ts';
export { refuseUpgrade } from './refuse.ts';
export type { Caller, Gateway, GatewayOptions } from './types.ts';
