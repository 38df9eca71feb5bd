export * from './types.ts';
export * from './session.ts';
export * from './net-check.ts';
export type { Schema } from './dialect.ts';
export type { Column, DescribeHint, KindDef, RelatedHint } from './kind.ts';
export { clusterName } from './cluster/index.ts';
export { leaseNamespace, serverLease, serverOfLease } from './lease/names.ts';
export { kindByName, kindByPlural, kinds, resolveResource, resourceWords, type AnyKindDef } from './kinds.ts';
export { kindOf, pruneUnknown, unknownFields, validate } from './validate.ts';
export { withDefaults } from './defaults.ts';
export { canonicalJson, contentHash } from './hash.ts';
export { defaultNetwork, hostPortsOf, ingressPortsOf, networksOf, portsIn, templateOf } from './template.ts';
export { holdsAddress } from './network/holds.ts';
export {
  defaultPool6,
  formatSubnet6,
  ip4Of,
  ip6Of,
  isWithin6,
  numberToIp6,
  overlaps6,
  parseSubnet6,
  subnet6Of,
  type Subnet6,
} from './ipv6.ts';
export * from './units.ts';
export {
  formatSubnet,
  ipToNumber,
  isWithin,
  numberToIp,
  overlaps,
  parseSubnet,
  sizeOf,
  type Subnet,
} from './subnet.ts';
export { normalizeImage, parseImage, shortImage, type ImageReference } from './image.ts';
export {
  constraintKeys,
  formatConstraint,
  matchesConstraint,
  parseConstraint,
  type Constraint,
  type ConstraintOperator,
} from './constraints.ts';
export { formatPort } from './service/columns.ts';
export { bindsHostPort } from './service/defaults.ts';
export { portsClash } from './service/validate.ts';
export { taskStateText } from './task/index.ts';
export { isQualifiedName } from './metadata/validate.ts';
export { reservedLabelPrefix } from './task-template/validate.ts';
export {
  formatProblem,
  maxManifestBytes,
  parseManifest,
  type Manifest,
  type ManifestDocument,
  type Problem,
} from './manifest.ts';
export type { Position } from './manifest-position.ts';
export { joinPath, parsePath } from './path.ts';
export { parseYaml, YamlError } from './yaml.ts';
