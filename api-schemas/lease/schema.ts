import { int, obj, str } from '../dialect.ts';
import { objectSchema } from '../metadata/schema.ts';

const spec = obj('Who holds the lease.', {
  holderIdentity: str('Who holds it; empty when nobody does.'),
  leaseDurationSeconds: int('How long it holds without renewal.', 1, 2 ** 31 - 1),
  acquireTime: str('When it was taken.', { format: 'date-time' }),
  renewTime: str('When it was last renewed.', { format: 'date-time' }),
  leaseTransitions: int('How often the holder changed.', 0, 2 ** 31 - 1),
});

export const leaseSchema = objectSchema(
  'Lease',
  'coordination.k8s.io/v1',
  'A claim that runs out unless renewed: elections, and the lives of servers.',
  { spec },
  { 'x-orc-always': ['spec'] },
);
