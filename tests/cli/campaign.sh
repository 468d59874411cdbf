#!/bin/bash
# Does a campaign keep its word: the same results however it is carried out, nothing lost when it is
# stopped, one bad run is one bad run?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
quickstart=$top/scenarios/quickstart

same() { # NAME FOLDER FOLDER
    verdict "$1" "$(diff -rq "$2" "$3" 2>&1 | head -n 3)"
}

# --- the same results ---------------------------------------------------------------------------

run campaign run "$quickstart" --runs 60 --seed 5 -j 1 --out one
expect "a campaign on one core" 0 '60 runs of 5 scenarios: 60 passed, 0 failed'
run campaign run "$quickstart" --runs 60 --seed 5 -j 2 --out two
expect "and on two" 0 '60 passed'
same "have the same results" one two
run campaign run "$quickstart" --runs 60 --seed 5 --fresh --out fresh
expect "and with a process for each run" 0 '60 passed'
same "the same once more" one fresh
for part in 1 2 3; do
    run campaign run "$quickstart" --runs 60 --seed 5 --shard "$part/3" --out "part$part"
    expect "part $part of 3" 0 '20 runs of 5 scenarios'
done
run campaign merge part1 part2 part3 --out all
expect "parts are put together" 0 '60 runs: 60 passed, 0 failed'
same "and are the whole" one all
run campaign merge all one part2
expect "a run counts once" 0 '60 runs:'
run campaign run "$quickstart" --runs 60 --seed 5 --out one
expect "what is known is not made again" 0 '60 known before'
run campaign run "$quickstart" --runs 70 --seed 5 --out one
expect "a longer campaign goes on" 0 '70 runs of 5 scenarios: 70 passed, 0 failed, 60 known before'
run campaign run "$quickstart" --runs 10 --seed 6 --out other
expect "another seed, other runs" 0 '10 passed'
verdict "under names of their own" "$(cd other && find . -name '5-*')"
"$ioasim" campaign run "$quickstart" --runs 40 --seed 9 --out shared >o1 2>&1 &
run campaign run "$quickstart" --runs 40 --seed 9 --out shared
wait $!
verdict "two campaigns in one folder" \
    "$([ "$(find shared -name '9-*.json' | wc -l)" = 40 ] || find shared | tail -n 1)"

cp short.json copy.json
run campaign run short.json copy.json failing.json ./short.json --runs 20 --seed 5 --out twice
expect "what is there twice runs once" 1 '20 runs of 2 scenarios'
expect "which is told" 1 'copy.json is left out: short.json has the same configuration'
sed 's/"version": 1,/&"matrix": {"over": {"run.window": ["1ns", "2ns"]}},/' short.json >cells.json
cp cells.json copied_cells.json
run campaign run cells.json copied_cells.json --runs 4 --out cells
expect "cells are named" 0 \
    'copied_cells.json#run.window=2ns is left out: cells.json#run.window=2ns has the same'
verdict "no run is another's" \
    "$([ "$(find twice -name '5-*.json' | wc -l)" = 20 ] || find twice | tail -n 1)"
for part in 1 2; do
    run campaign run short.json copy.json failing.json --runs 20 --seed 5 --shard "$part/2" \
        --out "twice$part"
done
run campaign merge twice1 twice2 --out twice12
same "and parts are the whole" twice twice12

# --- machines of other kinds --------------------------------------------------------------------

run campaign run "$quickstart/one_process_sva.json" --runs 12 --set campaign=swarm --out swarm1 -j 1
expect "each run on a machine of its own" 0 '12 passed'
run campaign run "$quickstart/one_process_sva.json" --runs 12 --set campaign=swarm --out swarm2 -j 2
same "which the number of the run decides" swarm1 swarm2
run run "$quickstart/one_process_sva.json" --seed 1 --run 5 --set campaign=swarm --no-files
expect "and which the run tells" 0 'machine of this run: '

# --- failures -----------------------------------------------------------------------------------

run campaign run short.json failing.json --runs 6 --out bad
expect "a failing scenario fails the campaign" 1 '6 runs of 2 scenarios: 3 passed, 3 failed'
expect "its code is told" 1 'expectation: 3 runs of 1 scenario'
expect "with the command that repeats it" 1 'ioasim run failing.json --seed 1'
# shellcheck disable=SC2046
run $(sed -n 's/^ *ioasim \(run .*\)  # .*/\1/p' o | head -n 1) --no-files
expect "which fails the same way" 1 'FAILED failing.json'
run campaign run "$quickstart/two_vms.json" --runs 2 --out defect \
    --defect linux.skip_iotlb_invalidation --format json
expect "a seeded defect is found" 1 '"code": "use_after_free'
run campaign run short.json --runs 2 --out defect --defect linux.skip_iotlb_invalidatio
expect "a misspelt one is not" 2 'did you mean'

# A process of a run that dies, one that the host kills, and one that does not end.
lose_long_runs() { # SIGNAL FOLDER
    "$ioasim" campaign run long.json short.json --runs 4 -j 1 --fresh --out "$2" >o 2>e &
    parent=$!
    for _ in 1 2; do
        sleep 1
        child=$(cat "/proc/$parent/task/$parent/children")
        # shellcheck disable=SC2086
        kill "-$1" $child
    done
    { wait "$parent"; } 2>/dev/null
    code=$?
}
lose_long_runs SEGV crash
expect "a run that crashes is one failed run" 3 'crash: 2 runs of 1 scenario'
expect "the others are made" 3 '4 runs of 2 scenarios: 2 passed, 2 failed'
lose_long_runs KILL starved
expect "a run that the host kills is cut" 5 '2 passed, 0 failed, 2 cut by the host'
verdict "which is no result either" \
    "$([ "$(find starved -name '*.json' | wc -l)" = 2 ] || find starved)"
# Killed when it has made some runs, and is at another one.
"$ioasim" campaign run "$quickstart/two_vms.json" --runs 2000 --seed 5 -j 1 --out hurt >o 2>e &
parent=$!
killed=
for _ in $(seq 500); do
    child=$(cat "/proc/$parent/task/$parent/children" 2>/dev/null) || break
    if [ "$(find hurt -name '5-*.json' 2>/dev/null | wc -l)" -ge 20 ]; then
        # shellcheck disable=SC2086
        kill -SEGV $child && killed=$child
        break
    fi
    sleep 0.01
done
{ wait "$parent"; } 2>/dev/null
code=$?
verdict "a process that has made runs is killed" "$([ -n "$killed" ] || echo "it was not there")"
expect "a process that dies after other runs is no result" 0 '2000 passed, 0 failed'
run campaign run long.json short.json --runs 2 --run-timeout 1 --out slow
expect "a run that takes too long is cut" 5 '1 passed, 0 failed, 1 cut by the host'
verdict "which is no result" "$([ "$(find slow -name '*.json' | wc -l)" = 1 ] || find slow)"
cat >many.json <<'END'
{"version": 1, "name": "many", "purpose": "many processes, each with a stack on the host",
 "programs": [{"$repeat": {"as": "n", "count": 2000}, "on": "host", "process": "app${n}",
   "steps": [{"alloc": "A"}, {"free": "A"}]}],
 "expect": [{"invariants": "hold"}]}
END
run campaign run many.json --runs 1 --run-memory 64MiB --out thin
expect "a run that needs too much memory is cut" 5 'more memory of the host than it may take'

# --- stopped ------------------------------------------------------------------------------------

asked_to_end INT 130 'not made' campaign run "$quickstart" --runs 100000 --seed 3 --out stopped
some=$(find stopped -name '3-*.json' | wc -l)
run campaign run "$quickstart" --runs "$((some + 20))" --seed 3 --out stopped
expect "an interrupted campaign goes on" 0 'known before'
run campaign run "$quickstart" --runs "$((some + 20))" --seed 3 --out unstopped
same "and ends as if it had not been stopped" stopped unstopped
"$ioasim" campaign run "$quickstart" --runs 100000 --seed 4 --out killed >/dev/null 2>&1 &
parent=$!
sleep 1
kill -KILL "$parent"
{ wait "$parent"; } 2>/dev/null
find killed -name '*.part' -delete
run campaign merge killed
expect "what a killed one has written is whole" 0 'passed, 0 failed'
run campaign run "$quickstart" --runs 100000 --seed 3 --time 1s --out timed
expect "a campaign ends when its time is over" 0 'not made'

# --- the folder of results ----------------------------------------------------------------------

result=$(find other -name '6-1.json' | head -n 1)
cp -r other changed
sed -i 's/"events": [0-9]*/"events": 1/' "changed/${result#other/}"
run campaign merge other changed
expect "two results of one run are told" 3 '1 not deterministic'
cp -r other into
run campaign merge changed --out into
expect "also of what the merged results are put onto" 3 '1 not deterministic'
same "which stays" other into
mkdir part0
run campaign merge part1 --out part0
expect "an empty folder may get them" 0 '20 runs: 20 passed'
run campaign merge part2 --out part0
expect "and then more" 0 '40 runs: 40 passed'
run campaign run failing.json --runs 2 --seed 1 --out spelt1
run campaign run ./failing.json --runs 2 --seed 1 --out spelt2
run campaign merge spelt1 spelt2
expect "however the file is called, the run is the same" 1 '2 runs: 0 passed, 2 failed'
verdict "and so is its result" "$(grep 'not deterministic' o)"
: >"changed/${result#other/}"
run campaign merge changed
expect "a damaged result is told" 2 'is no result of a run'
run campaign run "$quickstart" --runs 10 --seed 6 --out changed
expect "and made again" 0 '9 known before'
same "as it was" other changed
echo mine >mine
ln -sf "$PWD/mine" "changed/${result#other/}"
run campaign run "$quickstart" --runs 10 --seed 6 --out changed
same "in its place, not where a link leads" other changed
verdict "which is not written" "$(grep -v mine mine)"
run campaign run short.json --out short.json
expect "a file is no folder" 2 'short.json'
run campaign merge nowhere
expect "neither is nothing" 2 'there is no folder "nowhere"'
if mkdir full && mount -t tmpfs -o size=64k none full 2>/dev/null; then
    run campaign run "$quickstart" --runs 200 --seed 2 --out full
    expect "a full disk is told" 3 'No space left'
    umount full
fi

# --- what is no campaign ------------------------------------------------------------------------

for shard in 0/3 4/3 1 1/ /3 1/0 a/b 1/3/5; do
    run campaign run short.json --shard "$shard"
    expect "shard $shard" 2 'cannot be so'
done
for time in 0s 10 m 1d -5s 99999999h; do
    run campaign run short.json --time="$time"
    expect "time $time" 2 'cannot be so'
done
run campaign run short.json --runs 0
expect "no runs" 2 'whole number from 1'
run campaign run missing.json
expect "no file" 2 'missing.json'
sed 's/"version": 1,/&"campaign": "none",/' short.json >alone.json
run campaign run alone.json
expect "a scenario that may not be varied" 2 'may be varied'
run campaign
expect "campaign alone" 2 'wants a verb'

finish
