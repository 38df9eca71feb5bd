/** States of a task, in order: a state only moves forward, so that late and duplicate reports are harmless. */
export const taskStates = [
  'New',
  'Pending',
  'Assigned',
  'Accepted',
  'Preparing',
  'Ready',
  'Starting',
  'Running',
  'Complete',
  'Shutdown',
  'Failed',
  'Rejected',
  'Orphaned',
] as const;
