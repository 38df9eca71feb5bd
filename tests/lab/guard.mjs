// `node guard.mjs DIR`: removes the lab in DIR when its standard input closes, also because whoever held it was killed.
import { removeLab } from './clean.mjs';

let isEnding = false;
const end = async () => {
  if (isEnding) return;
  isEnding = true;
  try {
    await removeLab(process.argv[2]);
    process.exit(0);
  } catch (error) {
    console.error(`lab: ${error.message}`);
    process.exit(1);
  }
};
process.on('SIGTERM', end);
process.stdin.on('end', end).on('error', end).resume();
console.log('ready');
