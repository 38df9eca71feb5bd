/** What of a cluster needs a person, and what the person does. Pure. */
import {
  peerAddressOf,
  peerAnnotation,
  removalOf,
  roleCondition,
  type EtcdMember,
  type ServerStatus,
} from '../../api-schemas/cluster-api.ts';
import type { Node } from '../../api-schemas/index.ts';
import { formatBytes } from '../../api-schemas/units.ts';
import { humanDuration } from '../output/age.ts';
import { remedyOf, skippedText, toJoinAgain } from './ca-view.ts';
import { majorityOf } from './quorum.ts';
import type { ManagerReport, Report } from './report.ts';

export interface Problem {
  readonly message: string;
  readonly remedy: string;
}

/** Entries of etcd's log; a member that keeps up is behind by a handful. */
const mostLag = 5_000;
/** etcd's database is full at 4 GiB. */
const muchBytes = 3 * 2 ** 30;
const mostClockMs = 2_000;
const dayMs = 86_400_000;
/** Those of nodes live for 90 days and are renewed 30 before their end. */
const certificateDays = 20;

export function problemsOf(report: Report): readonly Problem[] {
  const quorum = quorumProblems(report);
  // They cannot be heard of, and that is no news: what matters is why.
  const skipped = toJoinAgain(report.cluster);
  return [
    ...quorum,
    ...skipped.map((id) => ({ message: skippedText(id), remedy: remedyOf(id) })),
    ...report.managers
      .filter(({ name }) => !skipped.includes(`manager ${name}`))
      .flatMap((manager) => managerProblems(manager, quorum.length === 0)),
    ...memberProblems(report),
    ...lagProblems(report),
    ...certificateProblems(report),
    ...clockProblems(report),
    ...controllerProblems(report),
    ...report.nodes
      .filter(
        ({ metadata: { name } }) => ![`node ${name}`, `manager ${name}`].some((id) => skipped.includes(id)),
      )
      .flatMap(nodeProblems),
  ];
}

function managerProblems(
  { name, url, status, problem }: ManagerReport,
  hasQuorum: boolean,
): readonly Problem[] {
  if (status === undefined) {
    const message = `manager ${name} (${url}) is not reached: ${problem ?? 'it does not answer'}`;
    const rm = hasQuorum ? `; if it does not come back: \`orc node rm ${name}\`` : '';
    const remedy = `start orc there, or mend the network${rm}`;
    return [{ message, remedy }];
  }
  if (status.etcdProblem === undefined) return [];
  const message = `the etcd of ${name} does not answer: ${status.etcdProblem}`;
  return [{ message, remedy: `its log is etcd/etcd.log in the data directory of ${name}` }];
}

const statuses = ({ managers }: Report): readonly ServerStatus[] =>
  managers.flatMap(({ status }) => (status === undefined ? [] : [status]));

/** The members as the server with a leader, if there is one, knows them. */
export function membersOf(report: Report): readonly EtcdMember[] {
  const all = statuses(report).flatMap(({ etcd }) => (etcd === undefined ? [] : [etcd]));
  return (all.find(({ own }) => own.leaderId !== undefined) ?? all[0])?.members ?? [];
}

function quorumProblems(report: Report): readonly Problem[] {
  const asked = statuses(report).filter(({ etcd }) => etcd !== undefined);
  if (asked.length === 0 || asked.some(({ etcd }) => etcd?.own.leaderId !== undefined)) return [];
  const voters = membersOf(report).filter(({ isLearner }) => !isLearner).length;
  return [
    {
      message: `there is no quorum: of ${String(voters)} managers ${String(majorityOf(voters))} must run and reach each other. What runs goes on, nothing can be changed`,
      remedy:
        'start the managers that are down; if a majority does not come back, run `orc cluster recover --force` on one of those that are left',
    },
  ];
}

function memberProblems(report: Report): readonly Problem[] {
  const names = new Set(report.managers.map(({ name }) => name));
  const alarms = new Map(
    statuses(report).flatMap(({ etcd }) =>
      (etcd?.own.alarms ?? []).map(
        ({ memberId, kind }) => [`${kind} ${memberId}`, { memberId, kind }] as const,
      ),
    ),
  );
  const members = membersOf(report);
  const nameOf = (id: string): string => members.find((member) => member.id === id)?.name ?? id;
  return [
    ...members
      .filter(({ isStarted, isLearner }) => !isStarted || isLearner)
      .map((member) => learnerProblem(member, nodeAt(report, member))),
    ...members
      .filter(({ name, isStarted, isLearner }) => isStarted && !isLearner && !names.has(name))
      .map(({ name }) => ({
        message: `${name} has a vote in etcd and is no manager that has said where it is`,
        remedy: `start orc there; if it does not come back: \`orc node rm ${name}\``,
      })),
    ...[...alarms.values()].map(({ memberId, kind }) => alarmProblem(nameOf(memberId), kind)),
    ...statuses(report).flatMap(({ name, etcd }) =>
      etcd === undefined || etcd.own.dbInUseBytes < muchBytes
        ? []
        : [
            {
              message: `the database of etcd on ${name} holds ${formatBytes(etcd.own.dbInUseBytes)}; it is full at 4 GiB`,
              remedy: 'delete what is not needed: `orc get all -A` shows what there is',
            },
          ],
    ),
  ];
}

/** Name of the Node whose etcd was added there. */
const nodeAt = ({ nodes }: Report, { peerUrls }: EtcdMember): string | undefined =>
  nodes.find(({ metadata }) => peerUrls.includes(metadata.annotations?.[peerAnnotation] ?? ''))?.metadata
    .name;

function learnerProblem(member: EtcdMember, node: string | undefined): Problem {
  const name = member.name || node;
  const who = name === undefined ? 'a manager' : `manager ${name}`;
  const has = member.isStarted ? 'has no vote yet' : 'has not started';
  return {
    message: `${who} was added at ${peerAddressOf(member)} and ${has}; no other can be added meanwhile`,
    remedy: `start orc on that machine; if it does not come: \`${removalOf(member, name)}\``,
  };
}

const alarmProblem = (name: string, kind: 'full' | 'corrupt'): Problem =>
  kind === 'full'
    ? {
        message: `the database of etcd on ${name} is full: nothing can be written`,
        remedy: 'delete what is not needed; room is made by itself then',
      }
    : {
        message: `the data of etcd on ${name} is corrupt`,
        remedy: `stop orc there, \`orc node rm ${name}\`, then \`orc leave --force\` and \`orc join\` there`,
      };

/** How many entries each manager is behind the newest that anyone has committed, by name. */
export function lagsOf(report: Report): ReadonlyMap<string, number> {
  const known = statuses(report).flatMap(({ name, etcd }) =>
    etcd === undefined ? [] : [{ name, own: etcd.own }],
  );
  const newest = Math.max(0, ...known.map(({ own }) => own.raftIndex));
  return new Map(known.map(({ name, own }) => [name, newest - own.appliedIndex]));
}

const lagProblems = (report: Report): readonly Problem[] =>
  [...lagsOf(report)]
    .filter(([, lag]) => lag > mostLag)
    .map(([name, lag]) => ({
      message: `${name} is ${String(lag)} entries behind the leader of etcd`,
      remedy: 'look at the disk and the network of that machine: etcd needs a disk that writes within 10 ms',
    }));

function certificateProblems({ managers, nowMs }: Report): readonly Problem[] {
  const left = (until: string): number => Date.parse(until) - nowMs;
  const [first] = managers.flatMap(({ status }) => (status === undefined ? [] : [status.ca]));
  const ca: Problem[] =
    first === undefined || left(first.notAfter) > 180 * dayMs
      ? []
      : [
          {
            message: `the CA of the cluster ends on ${first.notAfter.slice(0, 10)}`,
            remedy: 'no certificate outlives it: `orc ca rotate` replaces it while the cluster runs',
          },
        ];
  const own = managers.flatMap(({ name, status }) =>
    status === undefined ||
    status.certificatesUntil === '' ||
    left(status.certificatesUntil) > certificateDays * dayMs
      ? []
      : [
          {
            message: `a certificate of ${name} ends on ${status.certificatesUntil.slice(0, 10)} and was not renewed`,
            remedy: 'its log says why; a restart of orc there renews it, too',
          },
        ],
  );
  return [...ca, ...own];
}

function clockProblems({ managers }: Report): readonly Problem[] {
  const known = managers.flatMap(({ name, clockOffsetMs: ms }) => (ms === undefined ? [] : [{ name, ms }]));
  const sorted = known.toSorted((a, b) => a.ms - b.ms);
  const [slow, fast] = [sorted[0], sorted.at(-1)];
  if (slow === undefined || fast === undefined || fast.ms - slow.ms < mostClockMs) return [];
  return [
    {
      message: `the clock of ${fast.name} is ${humanDuration(fast.ms - slow.ms)} ahead of that of ${slow.name}`,
      remedy: 'have all machines keep time by NTP (`timedatectl`)',
    },
  ];
}

function controllerProblems({ leaders, managers }: Report): readonly Problem[] {
  const isCurrent = managers.some(({ status }) => status?.isCurrent === true);
  if (!isCurrent || Object.keys(leaders).length > 0) return [];
  return [
    {
      message: 'no controller has a leader: nothing that is declared is made so',
      remedy: 'start a manager without --controllers, or look at the logs of those that run',
    },
  ];
}

function nodeProblems({ metadata: { name }, spec, status }: Node): readonly Problem[] {
  const find = (type: string) => status?.conditions?.find((condition) => condition.type === type);
  const [ready, role] = [find('Ready'), find(roleCondition)];
  const remedy = `\`orc describe node/${name}\` says more`;
  return [
    ...(ready !== undefined && ready.status !== 'True'
      ? [{ message: `node ${name} is not ready: ${ready.reason}: ${ready.message}`, remedy }]
      : []),
    ...(role?.status === 'False' && role.reason === 'Waiting'
      ? [
          {
            message: `node ${name} does not become ${spec.role ?? 'what it is to be'}: ${role.message}`,
            remedy,
          },
        ]
      : []),
  ];
}
