// Packs a tar archive (ustar): all owned by root, paths of at most 100 characters.

/**
 * @param {readonly (
 *   | { path: string, kind: 'dir' }
 *   | { path: string, kind: 'file', data: Buffer, mode?: number }
 *   | { path: string, kind: 'link', to: string }
 * )[]} entries
 * @returns {Buffer}
 */
export function tar(entries) {
  const parts = entries.flatMap((entry) => {
    const data = entry.kind === 'file' ? entry.data : Buffer.alloc(0);
    return [header(entry, data.length), data, Buffer.alloc((512 - (data.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function header(entry, size) {
  const block = Buffer.alloc(512);
  const octal = (value, at, width) => block.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1');
  block.write(entry.path, 0, 100, 'utf8');
  octal(entry.kind === 'file' ? (entry.mode ?? 0o644) : 0o755, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148, 'latin1');
  block.write({ dir: '5', file: '0', link: '2' }[entry.kind], 156, 'latin1');
  if (entry.kind === 'link') block.write(entry.to, 157, 100, 'utf8');
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
