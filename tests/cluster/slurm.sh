#!/bin/bash
# Is a campaign on a cluster the campaign of one machine, also when a node breaks, a shard is
# cancelled, runs fail? On a real Slurm: slurmctld and two slurmd of this machine. Minutes: Slurm
# waits two of them before it runs the work of a broken node again.
. "$(dirname "$(readlink -f "$0")")/../cli/lib.sh"
. "$here/../cluster/slurm_lib.sh"
quickstart=$top/scenarios/quickstart

[ "$(id -u)" = 0 ] || skip "the daemons of Slurm want root"
for program in slurmctld slurmd sbatch munged; do
    command -v "$program" >/dev/null || skip "no $program: apt-get install slurm-wlm munge"
done
cluster=$work/cluster
mkdir "$cluster" && chmod 755 "$work"
if ! start_slurm "$cluster"; then
    tail -n 3 "$cluster"/log/* "$cluster"/munge/log >&2
    stop_slurm "$cluster"
    skip "Slurm does not start here"
fi
trap 'stop_slurm "$cluster"; rm -rf "$work"' EXIT

# submit ARGUMENTS: through Slurm, until the collector has ended.
submit() {
    timeout 500 "$ioasim" campaign submit --engine slurm --wait "$@" >o 2>e </dev/null
    code=$?
    return $code
}
same() { # NAME FOLDER FOLDER
    verdict "$1" "$(diff -rq "$2" "$3" 2>&1 | head -n 3)"
}
# until_true SECONDS CONDITION...: false when it did not come true.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
has_results() { [ "$(find "$1" -name '*.json' 2>/dev/null | wc -l)" -ge "$2" ]; }

# --- a node breaks ------------------------------------------------------------------------------

limit=400
runs=800
campaign=("$quickstart" --runs "$runs" --seed 5)
run campaign run "${campaign[@]}" --out one
expect "a campaign on this machine alone" 0 "$runs passed, 0 failed"

# A shard on each of the four processors, all with some results when n2 breaks.
submit "${campaign[@]}" --shards 4 --out grid &
submission=$!
all_at_work() {
    local shard
    [ -n "$(work_of n2)" ] || return 1
    for shard in 1 2 3 4; do
        has_results "grid/shard-$shard" 10 || return 1
    done
}
problem=
until_true 60 all_at_work || problem="no shard worked on n2"
break_node "$cluster" n2
has_results grid "$runs" && problem="everything had been done already"
verdict "a node breaks while shards work on it" "$problem"
wait "$submission"
code=$?
expect "the others do its work" 0 "$runs runs: $runs passed, 0 failed"
verdict "which the node had begun" \
    "$(grep -q 'JobState=NODE_FAIL.*NodeList=n2' "$cluster/log/jobcomp.txt" ||
        tail -n 3 "$cluster/log/jobcomp.txt")"
verdict "and where it stopped" \
    "$(grep -q ' passed, 0 failed, [1-9][0-9]* known before' grid/submit/shard-*.log ||
        tail -n 1 grid/submit/shard-*.log)"
same "the results are those of one machine" one grid/all

# --- a shard is cancelled -----------------------------------------------------------------------

submit "${campaign[@]}" --shards 2 --out cut &
submission=$!
until_true 60 has_results cut/shard-2 10
scancel "$(sed -n 's/^shards: job //p' o)_2"
wait "$submission"
code=$?
expect "runs of a cancelled shard are missing" 5 'not made'
submit "${campaign[@]}" --shards 2 --out cut
expect "submitted again it goes on" 0 "$runs runs: $runs passed, 0 failed"
same "to the same results" one cut/all

# --- without waiting ----------------------------------------------------------------------------

run campaign submit short.json --runs 40 --shards 3 -j 2 --engine slurm --out later
expect "a campaign that nobody waits for" 0 'collector: job'
summed_up() { grep -q ' passed, ' later/summary.txt 2>/dev/null; }
problem=
until_true 60 summed_up || problem="no summary after a minute"
grep -qx '40 runs: 40 passed, 0 failed' later/summary.txt || problem+=" $(cat later/summary.txt)"
verdict "leaves its sum when it is done" "$problem"

# --- runs fail ----------------------------------------------------------------------------------

submit short.json failing.json --runs 6 --shards 2 --out bad
expect "a failing run fails the campaign" 1 '6 runs: 3 passed, 3 failed'
expect "its code is told" 1 'expectation: 3 runs of 1 scenario'
submit short.json failing.json --runs 7 --shards 2 --out bad
expect "a folder keeps to one campaign" 2 'has the results of another campaign'

finish
