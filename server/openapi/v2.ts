export const documentV2 = (version: string): object => ({
  swagger: '2.0',
  info: { title: 'orc', version },
  paths: {},
});
