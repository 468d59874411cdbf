# shellcheck shell=bash
# Read by slurm.sh: a Slurm of two nodes on the loopback interface, from Debian's packages, that
# lives in a scratch folder and ends with it. Its daemons want root.

# Ends the script as skipped, with the reason.
skip() {
    echo "skipped: $1"
    exit 77
}

free_ports() { # COUNT
    python3 - "$1" <<'END'
import socket
import sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
END
}

# start_munge FOLDER: the service that authenticates users of Slurm, with a key of its own.
start_munge() {
    mkdir -p "$1" && chown munge: "$1" && chmod 755 "$1"
    dd if=/dev/urandom of="$1/key" bs=128 count=1 2>/dev/null
    chown munge: "$1/key" && chmod 400 "$1/key"
    runuser -u munge -- munged --socket="$1/socket" --key-file="$1/key" --log-file="$1/log" \
        --pid-file="$1/pid" --seed-file="$1/seed" || return 1
}

# start_slurm FOLDER: nodes n1 and n2 of two processors each; SLURM_CONF is set.
start_slurm() {
    local d=$1 host
    host=$(hostname -s)
    chmod 755 "$d"
    start_munge "$d/munge" || return 1
    mkdir -p "$d/state" "$d/spool" "$d/log"
    chown -R slurm: "$d/state" "$d/spool" "$d/log"
    # shellcheck disable=SC2046
    set -- $(free_ports 3)
    cat >"$d/slurm.conf" <<END
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$1
AuthType=auth/munge
AuthInfo=socket=$d/munge/socket
CredType=cred/munge
SlurmUser=slurm
SlurmdUser=root
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$d/state
SlurmdSpoolDir=$d/spool/%n
SlurmctldPidFile=$d/slurmctld.pid
SlurmdPidFile=$d/slurmd-%n.pid
SlurmctldLogFile=$d/log/slurmctld.log
SlurmdLogFile=$d/log/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$d/log/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
SlurmdTimeout=15
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
MaxArraySize=1001
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$2 CPUs=2 RealMemory=1000
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$3 CPUs=2 RealMemory=1000
PartitionName=sim Nodes=ALL Default=YES State=UP
END
    touch "$d/log/jobcomp.txt" && chown slurm: "$d/log/jobcomp.txt"
    export SLURM_CONF=$d/slurm.conf
    slurmctld -f "$SLURM_CONF" && slurmd -f "$SLURM_CONF" -N n1 && slurmd -f "$SLURM_CONF" -N n2 ||
        return 1
    for _ in $(seq 100); do
        [ "$(sinfo -h -N -t idle 2>/dev/null | wc -l)" = 2 ] && return 0
        sleep 0.2
    done
    return 1
}

# What a node executes: the processes of the shards there.
work_of() { # NODE
    grep -lazx "SLURMD_NODENAME=$1" /proc/[0-9]*/environ 2>/dev/null | cut -d / -f 3
}

# A machine breaks: its service, what that started, and the work, all at once.
break_node() { # FOLDER NODE
    local pid work steps=
    work=$(work_of "$2")
    for pid in $work; do
        steps+=" $(awk '{ print $4 }' "/proc/$pid/stat" 2>/dev/null)"
    done
    for pid in $steps; do
        ! grep -q slurmstepd "/proc/$pid/comm" 2>/dev/null || kill -KILL "$pid" 2>/dev/null
    done
    kill -KILL "$(cat "$1/slurmd-$2.pid")"
    # shellcheck disable=SC2086
    kill -KILL $work 2>/dev/null
    rm -f "$1/slurmd-$2.pid"
}

stop_slurm() { # FOLDER
    local pid
    for pid in "$1"/*.pid "$1"/munge/pid; do
        [ ! -f "$pid" ] || kill "$(cat "$pid")" 2>/dev/null
    done
    for pid in "$1"/*.pid "$1"/munge/pid; do
        for _ in $(seq 50); do
            [ -f "$pid" ] || break
            sleep 0.1
        done
    done
}
