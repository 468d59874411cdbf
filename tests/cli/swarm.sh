#!/bin/bash
# Faults in runs of swarm: drawn by the number of the run, repeated by it, told by it, and over when
# they say so; what hangs then is found, and nothing else finds it.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
process=$top/scenarios/quickstart/one_process_sva.json
heals=$top/scenarios/inject/heals.json

# --- drawn, told, repeated ----------------------------------------------------------------------

with=0
for number in 1 2 3 4 5 6 7 8; do
    run run "$process" --seed 3 --run "$number" --set campaign=swarm --no-files
    grep -q '^faults of this run until .*, then all must end within .*"fault"' o || continue
    with=$((with + 1))
    cp o "told$number"
    faulty=$number
done
verdict "some runs have faults, some have none" \
    "$([ "$with" -gt 0 ] && [ "$with" -lt 8 ] || echo "$with of 8 have")"
run run "$process" --seed 3 --run "$faulty" --set campaign=swarm --no-files
verdict "a run with faults is repeated by its number" "$(diff o "told$faulty")"
run run "$process" --seed 4 --run "$faulty" --set campaign=swarm --no-files
verdict "another seed draws others" "$(cmp -s o "told$faulty" && echo "the same")"
run run "$process" --seed 3 --run "$faulty" --set campaign=seeds --no-files
verdict "only swarm has them" "$(grep 'faults of this run' o)"
run run "$process" --no-files --set campaign=swarm
verdict "and not the scenario as it stands" "$(grep 'faults of this run' o)"
run campaign run "$process" --runs 8 --seed 3 --set campaign=swarm --out one -j 1
expect "a process survives them" 0 '8 passed'
run campaign run "$process" --runs 8 --seed 3 --set campaign=swarm --out two -j 2
verdict "the number of cores changes nothing" "$(diff -r one two)"

# --- the end of the faults ----------------------------------------------------------------------

run run "$heals" --no-files
expect "faults end, and so does the run" 0 'inject-heals: PASS'
run run "$heals" --no-files --trace events.jsonl
verdict "none comes behind the end" "$(grep '"run.inject"' events.jsonl |
    sed 's/.*"time_ps":\([0-9]*\).*/\1/' | awk '$1 >= 200000000 {print}')"
run run "$heals" --no-files --defect pcie.port_waits_for_ever
expect "a wait that nobody ends is found" 4 'liveness.not_healed'
expect "with the bound" 4 'after the last fault at 200 us'
expect "and who waits" 4 'host/app'
verdict "by nothing but liveness" "$(grep -o 'unwanted finding [a-z_.]*' o | grep -v liveness)"
run run "$heals" --no-files --defect pcie.port_waits_for_ever --set inject=[] \
    --set 'expect=[{"invariants": "hold"}]'
expect "which without faults nobody sees" 0 'PASS'
run run "$heals" --no-files --set 'inject=[{"fault": "dsa0.hang", "chance": "1/2"}]'
expect "faults without number have no bound" 2 'E0412'

sed 's|"run": {"seed"|"inject": [{"fault": "dsa0.submission_retry", "chance": "1/4"}], &|' \
    "$process" >endless.json
run campaign run endless.json --runs 12 --seed 1 --set campaign=swarm --out endless
expect "a scenario with such a fault is varied without more of them" 0 '12 passed'
run run endless.json --seed 1 --run 1 --set campaign=swarm --no-files
expect "which its runs tell" 0 'no faults are drawn: dsa.submission_retry has no "count"'

# --- found by a campaign, and made small --------------------------------------------------------

run campaign run "$process" --runs 400 --seed 2 --set campaign=swarm --out lost \
    --defect pcie.port_waits_for_ever
expect "a campaign finds it" 4 'liveness.not_healed'
line=$(sed -n 's/^ *ioasim \(run .*\)  # .*/\1/p' o | head -n 1)
# shellcheck disable=SC2086
run $line --no-files
expect "and its command repeats it" 4 'liveness.not_healed'
limit=300
# shellcheck disable=SC2086
run shrink ${line#run } --out small.json --force --time 60
expect "a small file of it" 0 'small.json'
run run small.json --no-files
expect "hangs the same way" 4 'liveness.not_healed'
verdict "with the fault alone" "$(grep -q 'dmwr_timeout' small.json || cat small.json)"
finish
