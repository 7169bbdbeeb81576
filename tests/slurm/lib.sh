# A private Slurm cluster for a test: one controller and some nodes on this machine, with configuration, keys, state and
# logs in the test's folder. It touches no other Slurm of this machine and ends only what it has started.
. "$(dirname "$0")/../e2e/lib.sh"

skip() {
    echo "SKIPPED: $*" >&2
    exit 77
}

for name in slurmctld slurmd munged srun sbatch unshare; do
    PATH=$PATH:/usr/sbin:/sbin command -v "$name" >/dev/null || skip "$name is not installed (./farm setup installs it)"
done
export PATH=$PATH:/usr/sbin:/sbin
[ "$(id -u)" -eq 0 ] || skip "nodes with names of their own need root"
unshare --uts true 2>/dev/null || skip "this machine allows no UTS namespaces"
for name in $(compgen -e SLURM_) $(compgen -e SBATCH_); do unset "$name"; done # of a job that this test may run in

CLUSTER=$WORK/cluster
trap 'status=$?; set +e; slurm_down; tell_farms "$status"; (exit "$status"); clean_up' EXIT

tell_farms() { # tell_farms STATUS: what batch jobs have written, after a failure
    [ "$1" -eq 0 ] || [ "$1" -eq 77 ] || tail -n 60 "$WORK"/*.farm/*.log "$WORK"/*.farm/*.out >&2 2>/dev/null
}

has_ended() { # has_ended PID: a daemon, which nobody may have waited for
    ! grep -q '^State:[[:space:]]*[^Z]' "/proc/$1/status" 2>/dev/null
}

slurm_down() {
    local file pid i
    [ -e "$CLUSTER/up" ] || return 0
    if [ -e "${SLURM_CONF:-}" ]; then # without ours these would speak to a real Slurm of this machine
        timeout 5 scancel --user root || true
        for ((i = 0; i < 80; i++)); do
            [ -n "$(timeout 5 squeue -h 2>/dev/null)" ] || break
            sleep 0.1
        done
    fi
    for file in "$CLUSTER"/slurmd.*.pid "$CLUSTER/slurmctld.pid" "$CLUSTER/munged.pid"; do
        [ -s "$file" ] || continue
        pid=$(cat "$file")
        kill "$pid" 2>/dev/null || continue
        for ((i = 0; i < 50; i++)); do has_ended "$pid" && break; sleep 0.1; done
        kill -9 "$pid" 2>/dev/null || true
    done
}

# All of our ports are free, in both senses of the word: nobody listens there now.
free_ports() { # free_ports N: the first of N
    python3 - "$1" <<'EOP'
import random, socket, sys
def free(port):
    with socket.socket() as s:
        try:
            s.bind(("", port))
        except OSError:
            return False
        return True
for _ in range(1000):
    first = random.randrange(20000, 30000)
    if all(free(first + i) for i in range(int(sys.argv[1]))):
        print(first)
        sys.exit()
sys.exit("no free ports")
EOP
}

slurm_conf() { # slurm_conf NODES CPUS PORT
    local i
    cat <<EOC
ClusterName=diffarm-test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$3
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$CLUSTER/munge/socket,cred_expire=6
StateSaveLocation=$CLUSTER/state
SlurmdSpoolDir=$CLUSTER/spool.%n
SlurmctldPidFile=$CLUSTER/slurmctld.pid
SlurmdPidFile=$CLUSTER/slurmd.%n.pid
SlurmctldLogFile=$WORK/slurmctld.log
SlurmdLogFile=$WORK/slurmd.%n.log
TmpFS=$CLUSTER/tmp.%n
ProctrackType=proctrack/${PROCTRACK:-linuxproc}
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=${KILL_WAIT:-5}
MinJobAge=600
EOC
    for ((i = 1; i <= $1; i++)); do
        echo "NodeName=n$i NodeHostname=n$i NodeAddr=127.0.0.1 Port=$(($3 + i)) CPUs=$2 RealMemory=2000 State=UNKNOWN"
    done
    echo "PartitionName=test Nodes=n[1-$1] Default=YES MaxTime=INFINITE State=UP"
}

all_nodes_idle() { # all_nodes_idle N
    [ "$(timeout 5 sinfo -h -N -t idle -o %N | sort -u | wc -l)" = "$1" ]
}

slurm_up() { # slurm_up NODES CPUS_PER_NODE
    local i
    mkdir -p "$CLUSTER/state" "$CLUSTER/munge"
    chmod 755 "$WORK" "$CLUSTER" "$CLUSTER/munge"
    touch "$CLUSTER/up"
    (umask 077 && head -c 1024 /dev/urandom >"$CLUSTER/munge/key")
    munged --force --key-file="$CLUSTER/munge/key" --socket="$CLUSTER/munge/socket" --pid-file="$CLUSTER/munged.pid" \
        --log-file="$WORK/munged.log" --seed-file="$CLUSTER/munge/seed" --num-threads=2 2>>"$WORK/munged.log"
    export SLURM_CONF=$CLUSTER/slurm.conf
    slurm_conf "$1" "$2" "$(free_ports $(($1 + 1)))" >"$SLURM_CONF"
    echo "CgroupAutomount=no" >"$CLUSTER/cgroup.conf"
    slurmctld -f "$SLURM_CONF"
    for ((i = 1; i <= $1; i++)); do
        mkdir -p "$CLUSTER/spool.n$i" "$CLUSTER/tmp.n$i"
        # A UTS namespace of its own: tasks see the node's name, and MPI takes nodes for different hosts.
        unshare --uts sh -c "hostname n$i; exec slurmd -N n$i -f '$SLURM_CONF'"
    done
    wait_for 30 all_nodes_idle "$1"
}

# rank_on NODE RANK: the process of that rank there, whatever launcher has started it
rank_on() {
    local pid
    for pid in $(pgrep -f -- "$WORK/.*--pulse"); do
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qx "SLURMD_NODENAME=$1" || continue
        tr '\0' '\n' <"/proc/$pid/environ" | grep -Eqx "(PMIX_RANK|OMPI_COMM_WORLD_RANK)=$2" && echo "$pid"
    done
    return 0
}

# The values of this cluster, in site.conf; more lines may be added.
site_conf() {
    cat >site.conf <<'EOS'
export SBATCH_SIGNAL=B:USR1@10
CPUS_PER_RANK=1
GPUS_PER_RANK=0
MODULES=()
SRUN_OPTIONS=()
DRAIN_SECONDS=3
COORDINATOR_TIME=10
MAX_RESTARTS=5
EOS
}

pictures() { # pictures OUT: how many are there
    find "$1" -name '*.png' -path '*/images/*' 2>/dev/null | wc -l
}

has_pictures() { # has_pictures OUT N
    [ "$(pictures "$1")" -ge "$2" ]
}

# ask FARM COMMAND...: of the farm's own coordinator
ask() {
    local farm=$1
    shift
    "$DIFFARM" "$@" --connect "file://$farm/state/endpoint" --keys "$farm/keys" --timeout 20
}

in_flight() { # in_flight FARM: rows that are lent to workers now
    ask "$1" jobs --output json | grep -o '"leased":[0-9]*' | head -n 1 | cut -d: -f2
}

# no_more_redone OUT ROWS: counts what a disturbance cost, in rows whose worker was lost or whose attempt failed.
no_more_redone() {
    local cost
    cost=$(python3 -c 'import json, sys
print(sum(r["attempts"] - 1 + r["workers_lost"] for r in map(json.loads, open(sys.argv[1] + "/runs.jsonl"))))' "$1")
    echo "$1: $cost rows redone, $2 were in flight"
    [ "$cost" -le "$2" ] || fail "$cost rows were redone, but only $2 were in flight"
}
