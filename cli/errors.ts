/** An error whose message is meant for the user as it stands: what is wrong, then what to do. */
export class CliError extends Error {
  readonly exitCode: number;
  /** Further lines, printed indented under the message. */
  readonly lines: readonly string[];
  readonly remedy: string | undefined;

  constructor(
    message: string,
    options: {
      readonly remedy?: string;
      readonly exitCode?: number;
      readonly lines?: readonly string[];
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CliError';
    this.remedy = options.remedy;
    this.exitCode = options.exitCode ?? 1;
    this.lines = options.lines ?? [];
  }
}

/** Wrong usage of the command line: exit code 2. */
export const usageError = (message: string, remedy?: string): CliError =>
  new CliError(message, { exitCode: 2, ...(remedy === undefined ? {} : { remedy }) });
