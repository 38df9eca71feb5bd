/** The lab's cgroup, relative to each root of the cgroup trees. */
export function cgroupOf(dir: string): string;
export function cgroupRoots(): string[];
/** The file of a cgroup that freezes it with all below it, and the words it takes. */
export function freezer(cgroup: string): {
  readonly folder: string;
  readonly name: string;
  readonly stop: string;
  readonly go: string;
};
/** Pids of everything in the cgroup and below it, as the machine knows them. */
export function pidsIn(cgroup: string): number[];
/** Kills all in the cgroup, `first` before the others, and removes it. */
export function endCgroup(cgroup: string, first?: number): Promise<void>;
export function writePid(file: string, pid: number): void;
/** The pid in the file when that very process still lives. */
export function readPid(file: string): number | undefined;
export const stateFile: string;
/** Ends every process of the lab in the folder and removes the folder. Safe to repeat. */
export function removeLab(dir: string): Promise<void>;
