export const encodeV2 = (_document: object): Buffer => Buffer.alloc(0);
