import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Whether the directory is of a manager, which may be another process: who has the CA's key is one, and nobody else. */
export const hasManager = (dataDir: string): boolean => existsSync(join(dataDir, 'pki', 'ca.key'));
