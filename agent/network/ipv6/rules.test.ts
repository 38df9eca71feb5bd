import { expect, test } from '@jest/globals';
import { rules6, type Network6 } from './rules.ts';

const network = (bridge: string, more: Partial<Network6> = {}): Network6 => ({
  ...{ bridge, subnet6: `fd12:${bridge.slice(4)}::/64` },
  ...{ isInternal: false, isMasqueraded: true, isJoined: true, ...more },
});

test('the rules keep networks apart, and let out those that may', () => {
  const networks = [
    network('orc-b', { isInternal: true }),
    network('orc-a'),
    network('orc-c', { isMasqueraded: false, isJoined: false }),
  ];
  expect(rules6('ab12', networks)).toBe(`table ip6 orc_ipv6_ab12
delete table ip6 orc_ipv6_ab12
table ip6 orc_ipv6_ab12 {
  chain to_0 {
    iifname "orc-a" accept
    drop
  }
  chain to_1 {
    iifname "orc-b" accept
    drop
  }
  chain to_2 {
    drop
  }
  chain forward {
    type filter hook forward priority -1; policy accept;
    ct state established,related accept
    ct mark and 0xff000000 == 0x4f000000 accept
    oifname vmap { "orc-a" : goto to_0, "orc-b" : goto to_1, "orc-c" : goto to_2 }
    iifname { "orc-b" } drop
  }
  chain post {
    type nat hook postrouting priority 100; policy accept;
    ip6 saddr fd12:a::/64 oifname != "orc-a" masquerade
  }
}
`);
});
