#!/usr/bin/env bash
# Several hosts on one machine: each a network namespace with a host name of its own, wired to a bridge that lies in a
# namespace too, so that the machine's network is not touched. Root, iproute2 and util-linux are needed.
#   HOST_PREFIX=PREFIX HOST_NAMES=FILE hosts.sh COMMAND
#     up N              hosts PREFIX1 to PREFIXN at 10.77.0.1 to N; their names go to FILE
#     on I COMMAND...   runs it on host I
#     cut I, heal I     pulls the host's cable, puts it back
#     agent NAME COMMAND...   what Open MPI takes for ssh
#     down              ends what runs there and removes them
set -euo pipefail
: "${HOST_PREFIX:?a prefix for the names of hosts}" "${HOST_NAMES:?where their names go}"
NET=10.77.0

make_host() { # make_host I
    local host=$HOST_PREFIX$1
    ip netns add "$host"
    ip -n "$host" link set lo up
    ip -n "$host" link add eth0 type veth peer name "port$1" netns "${HOST_PREFIX}switch"
    ip -n "$host" addr add "$NET.$1/24" dev eth0
    ip -n "$host" link set eth0 up
    ip -n "${HOST_PREFIX}switch" link set "port$1" master bridge up
    echo "$NET.$1 $host" >>"$HOST_NAMES"
}

on() { # on I COMMAND...: becomes it
    local host=$HOST_PREFIX$1
    shift
    exec nsenter --net="/run/netns/$host" unshare --uts --mount sh -c '
        hostname "$1" && mount --bind "$2" /etc/hosts && mount -t tmpfs -o size=1g shm /dev/shm || exit 1
        shift 2
        exec "$@"' on "$host" "$HOST_NAMES" "$@"
}

command=$1
shift
case $command in
up)
    echo "127.0.0.1 localhost" >"$HOST_NAMES"
    ip netns add "${HOST_PREFIX}switch"
    ip -n "${HOST_PREFIX}switch" link add bridge type bridge
    ip -n "${HOST_PREFIX}switch" link set bridge up
    for i in $(seq "$1"); do make_host "$i"; done
    ;;
on) on "$@" ;;
cut) ip -n "${HOST_PREFIX}switch" link set "port$1" down ;;
heal) ip -n "${HOST_PREFIX}switch" link set "port$1" up ;;
agent)
    while [ "${1#-}" != "$1" ]; do shift; done
    host=$1
    shift
    on "${host#"$HOST_PREFIX"}" sh -c "$*"
    ;;
down)
    ip netns list | cut -d' ' -f1 | grep "^$HOST_PREFIX" | while read -r name; do
        ip netns pids "$name" | xargs -r kill -9 2>/dev/null || true # an mpirun would wait for its daemons for long
        ip netns del "$name"
    done
    ;;
*) exit 2 ;;
esac
