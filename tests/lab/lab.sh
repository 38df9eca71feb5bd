#!/usr/bin/env bash
# The few things of the lab that must happen in a process before another program takes its place. All else is in the
# TypeScript beside it. Arguments come from there only, as separate words.
#
#   lab.sh switch CGROUP                        first process of a lab: its death is the death of every node
#   lab.sh boot   CGROUP LAB NAME DIR [USR]     first process of a node, inside the lab; says its pid when it is ready
#   lab.sh enter  CGROUP PID CMD...             runs CMD in the node whose first process is PID
#   lab.sh pulse  CGROUP LAB FILE STOP GO SEC   freezes a node, lets it run, and so on, while the lab lives
#
# USR is the /usr of another Debian release, laid over ours, so that its dockerd, runc, iptables and nft run.
set -euo pipefail
verb=$1; shift

join() { # cgroup v2 has one tree, v1 one for each controller
  local f; for f in /sys/fs/cgroup/"$1"/cgroup.procs /sys/fs/cgroup/*/"$1"/cgroup.procs; do
    [ ! -e "$f" ] || echo "$BASHPID" > "$f"; done; }

# Pid 1 of a namespace: bash reaps whatever is orphaned to it while it waits.
hold() { echo "$1"; exec < /dev/null > /dev/null 2>&1; while :; do sleep infinity & wait; done; }

case $verb in
switch) join "$1"; exec unshare --fork --kill-child --pid --net bash "$0" hold ;;
hold) read -r pid _ < /proc/self/stat; hold "$pid" ;;
boot)
  join "$1"; lab=$2; shift 2
  exec nsenter --target "$lab" --pid -- \
    unshare --fork --kill-child --pid --net --mount --uts --ipc --cgroup --propagation slave bash "$0" init "$@" ;;
init)
  name=$1 dir=$2 usr=${3:-}
  read -r pid _ < /proc/self/stat      # /proc is still the machine's: the pid that others know us by
  echo "$name" > /proc/sys/kernel/hostname
  [ -z "$usr" ] || mount -t overlay -o lowerdir="$usr:/usr" overlay /usr
  mount -t overlay -o lowerdir=/etc,upperdir="$dir/etc",workdir="$dir/etc.work" overlay /etc
  rm -f /etc/hosts /etc/resolv.conf
  cp "$dir/hosts" /etc/hosts; printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > /etc/resolv.conf
  # Where orc keeps its data and its contexts unless it is told: a node's own, on its disk.
  mkdir -p /var/lib/orc /root/.orc; mount --bind "$dir/var-lib-orc" /var/lib/orc; mount --bind "$dir/home/.orc" /root/.orc
  mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/lock
  trees=$(cut -d: -f2 /proc/self/cgroup)
  mount -t sysfs sysfs /sys
  if [ -z "$trees" ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; else
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for t in $trees; do
      mkdir "/sys/fs/cgroup/${t#name=}"; mount -t cgroup -o "$t" cgroup "/sys/fs/cgroup/${t#name=}"; done
  fi
  mount -t proc proc /proc
  ip link set lo up
  echo 1 > /proc/sys/net/ipv4/ip_forward; iptables -P FORWARD DROP   # as Docker leaves a host where it turned it on
  hold "$pid" ;;
enter)
  join "$1"; pid=$2; shift 2
  exec nsenter --target "$pid" --pid --net --mount --uts --ipc --cgroup -- "$@" ;;
pulse)
  join "$1"; shift
  while [ -d "/proc/$1" ] && [ -e "$2" ]; do
    echo "$3" > "$2"; sleep "$5"; echo "$4" > "$2"; sleep "$5"; done ;;
*) sed -n '2,10p' "$0" >&2; exit 2 ;;
esac
