const color = process.stdout.isTTY && !process.env.NO_COLOR;
const bold = (text) => (color ? `\x1b[1m${text}\x1b[0m` : text);

export const step = (text) => console.log(`\n${bold(`▸ ${text}`)}`);
export const command = (text) => console.log(`  $ ${text}`);

/** An error that a person is meant to read: its message is all that is printed. */
export const plain = (message) => Object.assign(new Error(message), { isPlain: true });
