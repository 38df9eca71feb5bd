/** Makes the image in the engine, whether it is there or not; `changes` are lines of a Dockerfile. */
export function importHelloImage(
  socketPath: string,
  name?: string,
  changes?: readonly string[],
): Promise<void>;
