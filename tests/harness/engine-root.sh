#!/usr/bin/env bash
# engine-root.sh 26|28|firewall: prints a Debian root that holds that release of Docker Engine, or ufw and firewalld; makes
# it first when it is missing. 26 is trixie's (26.1), 28 is forky's (28.5). Cached in $ORC_CACHE, else ~/.cache/orc. Needs root, mmdebstrap, flock.
set -euo pipefail
engine=docker.io,iptables,nftables,iproute2,conntrack,procps,ca-certificates,etcd-server,kubectl
case ${1:-} in
26) suite=trixie include=$engine proof=usr/sbin/dockerd ;;
28) suite=forky include=$engine proof=usr/sbin/dockerd ;;
firewall) suite=trixie include=ufw,firewalld,dbus,iptables,nftables proof=usr/sbin/firewalld ;;
*) echo "engine-root: no engine '${1:-}': known are 26 and 28" >&2; exit 2 ;;
esac
cache=${ORC_CACHE:-$HOME/.cache/orc}/engines
root=$cache/$1
[ ! -e "$root/$proof" ] || { echo "$root"; exit 0; }
[ "$(id -u)" = 0 ] || { echo "engine-root: needs root" >&2; exit 1; }
for c in mmdebstrap flock; do
  command -v $c > /dev/null || { echo "engine-root: needs $c (apt-get install mmdebstrap util-linux)" >&2; exit 1; }
done
# The machine's own mirror, as apt knows it; never a security archive, which holds only part of a release.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -1) || true
[ -n "$mirror" ] || { echo "engine-root: apt knows no Debian archive" >&2; exit 1; }
mkdir -p "$cache"
exec 9> "$root.lock"; flock 9     # two callers: one builds, one waits
[ ! -e "$root/$proof" ] || { echo "$root"; exit 0; }
build() {
  rm -rf "$root.new"
  mmdebstrap --variant=apt --mode=root \
    --include="$include" \
    "$@" "$suite" "$root.new" "deb $mirror $suite main" > "$root.log" 2>&1
}
echo "engine-root: making $root from Debian $suite (30 to 60 seconds)" >&2
# A frozen mirror's testing suite outlives its Valid-Until; its signature is still checked.
build || { grep -qi 'is expired\|is not valid anymore' "$root.log" &&
  build --aptopt='Acquire::Check-Valid-Until "false"'; } ||
  { tail -5 "$root.log" >&2; echo "engine-root: mmdebstrap failed, see $root.log" >&2; exit 1; }
rm -rf "$root" "$root.log" "$root.new"/etc/apt/sources.list*
mv "$root.new" "$root"                # it has its name only when it is complete
echo "$root"
