# driver-orc.sh - what measurements of an orchestrator ask for, done with orc. Sourced by a script that gives
#   $NL            a command: up N, exec I CMD.., ip I, pid I (of the engine), pids I
#   d I CMD..      docker on node I
#   NODES, MGR     how many nodes there are, and to which one commands go
#   NETLAB_STATE   a folder; what is below its nI is removed with node I
#   build_images   puts the images into every engine
# shellcheck shell=bash
EVLABEL=dev.orc.service   # container label that carries the service's name
ORC_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ORC_NODE=$(command -v node)

orc_home() { echo "$NETLAB_STATE/n$1/orc"; }
orc_words() { # the words that run orc on node $1: no path here has a space
  echo "env HOME=$(orc_home "$1") ORC_CONFIG=$(orc_home "$1")/config NO_COLOR=1 NODE_NO_WARNINGS=1 $ORC_NODE --enable-source-maps $ORC_ROOT/bin/orc.mjs"; }
orc_on() { local i=$1; shift; "$NL" exec "$i" $(orc_words "$i") "$@"; }
orc() { orc_on "$MGR" "$@"; }

orc_runs() { local p; p=$(cat "$(orc_home "$1")/pid" 2>/dev/null) && [ -n "$p" ] && "$NL" pids "$1" | grep -qx "$p"; }
orc_start() { # orc_start I WORDS.. : in the background, as a service manager would
  local i=$1 h; h=$(orc_home "$i"); shift; mkdir -p "$h"
  ( "$NL" exec "$i" setsid sh -c 'echo $$ > "$0"; exec "$@"' "$h/pid" $(orc_words "$i") "$@" \
      --data-dir "$h/data" --docker-host "unix://$NETLAB_STATE/n$i/docker.sock" --listen "$("$NL" ip "$i"):6750" \
      >> "$h/log" 2>&1 < /dev/null & )
}
orc_wait() { # orc_wait I COMMAND.. : until it succeeds; says why when orc has ended
  local i=$1 k; shift
  for k in $(seq 1 600); do "$@" >/dev/null 2>&1 && return 0
    [ "$k" -lt 20 ] || orc_runs "$i" || break; sleep 0.1; done
  echo "# node $i: orc is not up:" >&2; tail -5 "$(orc_home "$i")/log" >&2; return 1
}

drv_up() { # drv_up MANAGERS : one node alone is `orc up`, several are `init` and `join`
  local m=$1 i ip role
  "$NL" up "$NODES"; build_images
  [ -e "$ORC_ROOT/dist/orc.mjs" ] || (cd "$ORC_ROOT" && "$ORC_NODE" scripts/build.mjs)
  if [ ! -d "$(orc_home 1)/data" ]; then
    if [ "$NODES" = 1 ]; then orc_start 1 up --node-name node1
    else orc_start 1 init --name node1 --advertise "$("$NL" ip 1)"; fi
  fi
  orc_wait 1 orc_on 1 get nodes || return 1
  for i in $(seq 2 "$NODES"); do
    [ -d "$(orc_home "$i")/data" ] && continue
    role=worker; [ "$i" -le "$m" ] && role=manager
    orc_start "$i" join --token "$(orc_on 1 token show $role --quiet)" --name "node$i" \
      --advertise "$("$NL" ip "$i")" "$("$NL" ip 1):6750"
    orc_wait "$i" orc_is_ready "$i" || return 1
  done
  drv_nodes_ready "$NODES"
}
orc_is_ready() { orc_on 1 get nodes --no-headers | grep -qE "^node$1 .* Ready( |$)"; }
drv_nodes_ready() { # wait until N nodes are ready; a node that came back starts its orc, as at boot
  local i k
  for i in $(seq 1 "$NODES"); do
    [ -d "$(orc_home "$i")/data" ] && ! orc_runs "$i" && "$NL" exec "$i" true 2>/dev/null &&
      orc_start "$i" up $([ "$NODES" = 1 ] && echo --node-name node1)
  done
  for k in $(seq 1 600); do
    [ "$(orc get nodes --no-headers 2>/dev/null | grep -cE ' Ready( |$)')" -ge "$1" ] && return 0; sleep 0.1; done; return 1
}
# Said once, where what is measured does not exist: the script then shows a failure and no figure.
orc_lacks() { echo "# orc does not have this yet: $1" >&2; return 1; }
drv_net() { :; } # made with the first service that names it
drv_delay_flag() { echo "--restart-delay $1"; }
drv_secret_flag() { echo "--secret $1"; }

orc_manifest() { # orc_manifest NAME REPLICAS IMAGE ORDER PARALLELISM [flags]
  local name=$1 n=$2 img=$3 order=$4 par=$5 grace='' delay=''; shift 5
  while [ $# -gt 0 ]; do case $1 in
    --stop-grace-period) grace="  stopGracePeriod: $2" ;;
    --restart-delay) delay="  restart: { delay: $2 }" ;;
    --secret) orc_lacks secrets; return 1 ;;
    *) orc_lacks "flag $1"; return 1 ;;
  esac; shift 2; done
  cat <<Y
apiVersion: orc.dev/v1
kind: Service
metadata: { name: $name }
spec:
  image: $img
  pullPolicy: never
  replicas: $n
  update: { order: $order, parallelism: $par }
$grace
$delay
Y
}
orc_args_file() { echo "$(orc_home "$MGR")/args-$1"; }
drv_create() { # drv_create NAME REPLICAS IMAGE NET(- for none) [flags]
  local name=$1 n=$2 img=$3 net=$4 y; shift 4
  [ "$net" = - ] || { orc_lacks "overlay networks (leave them out with NETS=-)"; return 1; }
  y=$(orc_manifest "$name" "$n" "$img" start-first 1 "$@") || return 1
  printf '%s\n' "$n" "$@" > "$(orc_args_file "$name")"
  orc apply -f - --no-wait <<< "$y" >/dev/null
}
drv_scale() { orc scale "$1=$2" --no-wait >/dev/null; }
drv_update() { # drv_update NAME IMAGE ORDER PARALLELISM
  local a; mapfile -t a < "$(orc_args_file "$1")"
  orc_manifest "$1" "${a[0]}" "$2" "$3" "$4" "${a[@]:1}" | orc apply -f - --no-wait >/dev/null
}
drv_update_state() { # "completed" when every task is of the new revision and running
  orc get service "$1" -o json | "$ORC_NODE" -e '
    const { metadata, spec, status = {} } = JSON.parse(require("fs").readFileSync(0, "utf8"));
    const all = [status.desired, status.replicas, status.updated, status.ready].every((n) => n === spec.replicas);
    console.log(all && status.observedGeneration === metadata.generation ? "completed" : "updating");'
}
drv_rm_all() { local s; s=$(orc get services -o name 2>/dev/null); [ -z "$s" ] || orc delete $s --no-wait >/dev/null; }
drv_secret() { cat > /dev/null; orc_lacks secrets; }
drv_secret_rm() { :; }
drv_secret_path() { echo "/run/secrets/$1"; }
drv_leader() { # which of the nodes I.. has the etcd that leads
  local i; for i in "$@"; do orc_etcd_leads "$i" && { echo "$i"; return; }; done; return 1; }
orc_etcd_leads() { # by its own metrics, with the certificate of its own server
  local h port; h=$(orc_home "$1")/data; orc_runs "$1" || return 1
  port=$(sed -E 's/.*"clientPort":([0-9]+).*/\1/' "$h/etcd/etcd.json")
  "$NL" exec "$1" curl -fsS --max-time 2 --cacert "$h/pki/ca.crt" --cert "$h/pki/etcd-client.crt" \
    --key "$h/pki/etcd-client.key" "https://127.0.0.1:$port/metrics" 2>/dev/null | grep '^etcd_server_is_leader 1' >/dev/null
}
drv_cli() { # the read commands whose latency is measured: LABEL<TAB>COMMAND. The API is reached from a node only.
  local o; o="$NL exec $MGR $(orc_words "$MGR")"
  cat <<C
service ls	$o get services
service ps	$o get tasks -l orc.dev/service=$1
service inspect	$o get service $1 -o json
node ls	$o get nodes
node ps (one node)	$o get tasks --field-selector spec.nodeName=node2
client start only	$o version --client
entering the node only	$NL exec $MGR true
C
}
drv_api() { printf 'API /_ping\t/_ping\n'; }   # of the engine: orc's own API has no socket
drv_daemons() { # drv_daemons NODE : LABEL PID of each daemon to weigh
  local p
  echo "dockerd $("$NL" pid "$1")"; echo "containerd $(cat "$NETLAB_STATE/n$1/exec/containerd/containerd.pid")"
  orc_runs "$1" || return 0
  p=$(cat "$(orc_home "$1")/pid"); echo "orc $p"
  for p in $(cat "/proc/$p/task/$p/children"); do echo "$(cat "/proc/$p/comm") $p"; done
}
