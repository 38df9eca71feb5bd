#!/usr/bin/env bash
# A private Docker Engine for a test: own network, mount and UTS namespace, own cgroup, nothing of the machine touched
# but one veth pair. Started by engine.ts; its standard input is the leash.
#
#   engine.sh guard  DIR NAME HOSTIP GUESTIP [USR]   make the namespaces, say "ready", clean all up when stdin closes
#   engine.sh enter  DIR NAME CMD...                 run CMD inside (replaces this process)
#   engine.sh pids   NAME                            pids of everything inside
#
# USR is the /usr of another Debian release, laid over ours, so that its dockerd, runc, iptables and nft run.
set -euo pipefail
verb=$1; shift

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then roots=(/sys/fs/cgroup); else
  roots=(); for h in pids memory cpu cpuacct cpuset blkio devices freezer systemd; do
    [ -e "/sys/fs/cgroup/$h/cgroup.procs" ] && roots+=("/sys/fs/cgroup/$h"); done
fi
[ ${#roots[@]} -gt 0 ] || { echo "no cgroups are mounted below /sys/fs/cgroup: no engine can run here" >&2; exit 1; }

pids() { for r in "${roots[@]}"; do
  [ ! -d "$r/$1" ] || find "$r/$1" -name cgroup.procs -exec cat {} + 2>/dev/null; done | sort -un || true; }

join() { for r in "${roots[@]}"; do
  # A v1 cpuset starts empty and takes no process until it has processors.
  if [ -e "$r/$1/cpuset.cpus" ] && [ -e "$r/cpuset.mems" ] && [ ! -e "$r/cgroup.controllers" ]; then
    for d in "$r/$1" "$r/$1/sys"; do for f in cpus mems; do
      [ -s "$d/cpuset.$f" ] && [ -n "$(cat "$d/cpuset.$f")" ] || cat "$r/cpuset.$f" > "$d/cpuset.$f"; done; done
  fi
  echo "$BASHPID" > "$r/$1/sys/cgroup.procs"; done; }

clean() {
  local dir=$1 name=$2 p r i
  for i in $(seq 100); do
    p=$(pids "$name"); [ -n "$p" ] || break
    # shellcheck disable=SC2086
    kill -KILL $p 2>/dev/null || true; sleep 0.05
  done
  for p in mnt uts; do umount -l "$dir/ns/$p" 2>/dev/null || true; done
  umount -l "$dir/ns" 2>/dev/null || true
  ip link del "$name" 2>/dev/null || true
  ip netns del "$name" 2>/dev/null || true
  for r in "${roots[@]}"; do for i in 1 2 3 4 5; do
    [ -d "$r/$name" ] || break
    find "$r/$name" -depth -type d -exec rmdir {} + 2>/dev/null || true; [ ! -d "$r/$name" ] || sleep 0.1; done; done
  for i in 1 2 3 4 5; do rm -rf "$dir" 2>/dev/null && break; sleep 0.2; done
}

case $verb in
guard)
  dir=$1 name=$2 host=$3 guest=$4 usr=${5:-}
  trap '' INT TERM HUP   # the leash alone decides: a Ctrl-C of the test run reaches us, too
  trap 'clean "$dir" "$name"' EXIT
  mkdir -p "$dir"/{data,exec,etc-docker,cg,ns}
  for r in "${roots[@]}"; do mkdir -p "$r/$name/sys"; done
  ip netns add "$name"
  ip link add "$name" type veth peer name eth0 netns "$name"
  ip addr add "$host/30" dev "$name"; ip link set "$name" up
  ip -n "$name" link set lo up; ip -n "$name" addr add "$guest/30" dev eth0; ip -n "$name" link set eth0 up
  ip -n "$name" route add default via "$host"
  mount --bind "$dir/ns" "$dir/ns"; mount --make-private "$dir/ns"
  : > "$dir/ns/mnt"; : > "$dir/ns/uts"
  printf '127.0.0.1 localhost\n%s %s\n' "$guest" "$name" > "$dir/hosts"
  printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' > "$dir/resolv.conf"
  made=; [ -d /etc/docker ] || { mkdir -p /etc/docker; made=1; }
  nsenter --net="/run/netns/$name" unshare --mount="$dir/ns/mnt" --uts="$dir/ns/uts" --propagation private \
    bash -euc '
      dir=$1 name=$2 usr=$3
      hostname "$name"
      [ -z "$usr" ] || mount -t overlay -o lowerdir="$usr:/usr" overlay /usr
      mount -t tmpfs -o mode=755 tmpfs /run; mkdir -p /run/lock /run/docker
      mount --rbind /sys/fs/cgroup "$dir/cg"; mount -t sysfs sysfs /sys; mount --move "$dir/cg" /sys/fs/cgroup
      mount --bind "$dir/etc-docker" /etc/docker
      mount --bind "$dir/hosts" "$(readlink -f /etc/hosts)"
      mount --bind "$dir/resolv.conf" "$(readlink -f /etc/resolv.conf)"
      # As on a host where Docker turned forwarding on itself.
      echo 1 > /proc/sys/net/ipv4/ip_forward; iptables -P FORWARD DROP
    ' _ "$dir" "$name" "$usr"
  [ -z "$made" ] || rmdir /etc/docker 2>/dev/null || true
  echo ready
  cat > /dev/null || true ;;
enter)
  dir=$1 name=$2; shift 2
  join "$name"
  exec nsenter --net="/run/netns/$name" --mount="$dir/ns/mnt" --uts="$dir/ns/uts" -- "$@" ;;
pids) pids "$1" ;;
*) sed -n '2,10p' "$0" >&2; exit 2 ;;
esac
