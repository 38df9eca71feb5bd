export const documentV3 = (_group: object, version: string): object => ({
  openapi: '3.0.0',
  info: { title: 'orc', version },
  paths: {},
});
