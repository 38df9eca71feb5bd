export const redisImage: string;
/** Makes the image in the engine unless it is there; returns whether it had to. Debian, as root. */
export function ensureRedisImage(socketPath: string): Promise<boolean>;
