import { expect, test } from '@jest/globals';
import { differencesOf } from './differences.ts';

test('What the kernel lacks of tunnels is said by device, and entries of one that is there by their number', () => {
  const forward = { kind: 'forward', device: 'ov1-2', mac: '02:42:0a:00:00:01', to: '10.0.0.2' } as const;
  const other = { ...forward, device: 'ov1-3' } as const;
  expect(differencesOf([])).toEqual([]);
  expect(
    differencesOf([
      { kind: 'addTunnel', device: 'ov1-2', vni: 5000, local: '10.0.0.1', port: 4789 },
      forward,
      other,
    ]),
  ).toEqual(['the tunnel ov1-2 (VNI 5000) is not there']);
  expect(differencesOf([forward, other])).toEqual([
    '2 entries or settings of ov1-2, ov1-3 are other than wanted',
  ]);
});
