import { taskStates, type Task } from '../../api-schemas/index.ts';

/** A container was made, so there may be output. */
export const hasContainer = ({ status }: Task): boolean =>
  status?.containerID !== undefined ||
  taskStates.indexOf(status?.state ?? 'New') >= taskStates.indexOf('Starting');

export const isFinished = ({ status }: Task): boolean =>
  taskStates.indexOf(status?.state ?? 'New') > taskStates.indexOf('Running');
