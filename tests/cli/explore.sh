#!/bin/bash
# Does exploring find what the fixed order hides, write it as a scenario that repeats it, and count
# the same interleavings however it is carried out?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
lookup=$top/scenarios/explore/lookup_and_free.json
defect=ioasid.spid_lookup_unlocked

# counts FILE: what exploring said without the lines that tell host time.
counts() { grep -v ' a second, ' "$1"; }

# --- nothing bad --------------------------------------------------------------------------------

run explore "$lookup" --preemptions 1
expect "a scenario without a race" 0 'none bad'
verdict "every order ends in one of its lines" \
    "$(grep -qE '^  1 deviation: [1-9][0-9]* runs?$' o || tail -n 5 o)"
counts o >two
run explore "$lookup" --preemptions 1 -j 1
verdict "counts do not depend on the jobs" "$(counts o | diff - two)"
run explore "$lookup" --preemptions 1 --no-reduction
verdict "the reduction passes orders over" "$(
    awk '/^  1 deviation/ {print $3}' two o |
        { read -r few; read -r all; [ "$few" -lt "$all" ]; } || tail -n 2 o)"
expect "and what it passes over is not bad" 0 'none bad'

# --- a race that the fixed order hides ----------------------------------------------------------

run run "$lookup" --no-files --defect $defect
expect "the fixed order hides the race" 0 'PASS'
run explore "$lookup" --defect $defect --out race.json
expect "exploring finds it" 1 'bad: '
verdict "with one deviation" "$(grep -q '"at"' race.json &&
    [ "$(grep -c '"at"' race.json)" = 1 ] || cat race.json | tail -n 20)"
found=$(sed -n 's/^[0-9,]* interleavings, [0-9]* bad: //p' o)
run run race.json --no-files
expect "the counterexample fails alone" 1 'FAIL'
verdict "in the same way" "$(grep -qF "${found%% *}" o || [ "$found" = expectation ] || cat o)"
run explore "$lookup" --defect $defect --out race1.json -j 1
verdict "it is the same one on one core" "$(diff race.json race1.json)"
run explore "$lookup" --defect $defect --out raw.json --no-reduction
expect "without the reduction it is found, too" 1 "bad: $found"
sed "s/\"defects\".*\"$defect\".*\],*//" race.json >healthy.json
run run healthy.json --no-files --set 'defects=[]'
expect "its order is harmless without the defect" 0 'PASS'
run explore race.json
expect "one order is not explored" 2 'has one order, in run.choices'

unbind=$top/scenarios/explore/free_and_unbind.json
run run "$unbind" --no-files --defect linux.unbind_frees_queued_work
expect "the fixed order hides another one" 0 'PASS'
run explore "$unbind" --preemptions 1 --defect linux.unbind_frees_queued_work --out freed.json
expect "which exploring finds in a guest, too" 1 'hazard.real_code_breaks'
run run freed.json --no-files
expect "and its counterexample" 1 'hazard.real_code_breaks'
run explore "$unbind" --preemptions 1
expect "a sound driver has no such order" 0 'none bad'

# --- a schedule of another run ------------------------------------------------------------------

sed 's/"at": [0-9]*/"at": 999999/' race.json >late.json
run run late.json --no-files
expect "a choice that never comes is told" 1 'none with number 999999'
sed 's/"what": "task.hold_up"/"what": "cpu.ready"/' race.json >other.json
run run other.json --no-files
expect "another kind of choice is told" 1 'the schedule is not of this run: choice'

# --- limits -------------------------------------------------------------------------------------

run explore "$lookup" --preemptions 2 --runs 5 -j 1
expect "a limit of runs" 5 '5 interleavings (stopped before the end), none bad'
run explore "$lookup" --out two
expect "an output that exists" 2 'two exists'
run explore "$lookup" --window soon
expect "a wrong window" 2 'run.window'
run explore "$top/scenarios/regressions/35_free_while_unbinding.json"
expect "cells are explored one by one" 2 'cells; one is explored at a time'
sed 's/"version": 1,/&"matrix": {"over": {"run.window": ["1ns", "2ns"]}},/' short.json >cells.json
run explore "cells.json#run.window=2ns" --preemptions 1
expect "which FILE#CELL names" 0 'none bad'
run explore "cells.json#run.window=3ns"
expect "if it is there" 2 'cells.json has no cell "run.window=3ns"'
run explore "$lookup" --preemptions 1 --format json
expect "for programs" 0 '"runs_by_deviations": [1, '
asked_to_end INT 130 'interleaving' explore "$top/scenarios/quickstart/two_vms.json"

finish
