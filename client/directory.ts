import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes the directory and its parents, for this user alone; those that are there stay as they are. Each is made by
 * itself: Node's own `recursive` never ends where a file system takes no directories, as /proc.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path, { mode: 0o700 }).catch((second: NodeJS.ErrnoException) => {
      // Somebody else was faster.
      if (second.code !== 'EEXIST') throw second;
    });
  }
}
