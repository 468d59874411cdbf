#!/bin/bash
# Does the search for mutants keep its word: the same numbers however many runs are made at a time,
# what it catches can be repeated, what it misses is told, and rare paths that no run reached too?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
quickstart=$top/scenarios/quickstart

run campaign mutants "$quickstart" --mutant kvm.late_clear --mutant ioasid.missing_put -j 1
expect "two mutants" 0 '2 mutants: 2 caught at the default seeds, 0 by exploration, 0 missed'
cp o one
run campaign mutants "$quickstart" --mutant kvm.late_clear --mutant ioasid.missing_put -j 4
verdict "take as many runs four at a time" "$(diff one o)"
expect "with the code that caught them" 0 'order.entry_before_cpu in '

# --- what the default seeds miss ----------------------------------------------------------------

crowd=$top/scenarios/stress/crowd.json
run run "$crowd" --no-files --quiet --defect vtd.evicted_pasid_kept
expect "a corner that the usual machine never gets into" 0 'PASS'
run campaign mutants "$crowd" --mutant vtd.evicted_pasid_kept --runs 200 --format json
expect "is found on another machine" 0 '1 by exploration'
# shellcheck disable=SC2046
run $(sed -n 's/.*"reproduce": "ioasim \(run [^"]*\)  # .*/\1/p' o) --no-files
expect "by a run that can be repeated" 1 'machine of this run: '
run campaign mutants "$crowd" --mutant vtd.evicted_pasid_kept --runs 1
expect "one run is not enough" 1 '1 missed'

# --- what is missed -----------------------------------------------------------------------------

run campaign mutants short.json --mutant dsa.complete_twice
expect "a mutant that no scenario reaches" 1 'MISSED: no run reaches it'
run campaign mutants failing.json --mutant ioasid.missing_put --runs 3
expect "a scenario that fails by itself tells nothing" 1 'fail without a mutant'
run campaign mutants short.json --mutant nosuch
expect "no mutant" 2 'there is no seeded defect'
run campaign mutants missing.json
expect "no file" 2 'missing.json'

# --- tables -------------------------------------------------------------------------------------

two="--mutant kvm.late_clear --mutant ioasid.missing_put"
# shellcheck disable=SC2086
run campaign mutants "$quickstart" $two --out kept --table table.md
expect "a table" 0 '2 caught at the default seeds'
verdict "has a row for each" "$(test "$(grep -c '^| `' table.md)" = 2 || cat table.md)"
# shellcheck disable=SC2086
run campaign mutants "$quickstart" $two --out kept
expect "what was made is not made again" 0 '; 0 runs, '
rm -r kept/kvm.late_clear
# shellcheck disable=SC2086
run campaign mutants "$quickstart" $two --out kept
expect "what is missing is" 0 '2 caught at the default seeds'
verdict "and nothing else" "$(grep -q '; 0 runs' o && cat o)"
# shellcheck disable=SC2086
run campaign mutants "$quickstart" $two --check table.md
expect "only the runs of the table are made" 0 '; 2 runs'
sed -e 's/| [a-z_.]* | \(scenarios[^|]*\) |/| wrong.code | \1 |/' \
    -e 's/| [a-z_.]* | \(\/[^|]*\) |/| wrong.code | \1 |/' table.md >moved.md
# shellcheck disable=SC2086
run campaign mutants "$quickstart" $two --check moved.md --table again.md
expect "another code is told and looked for" 0 'not as the table says:'
grep -v kvm.late_clear table.md >absent.md
# shellcheck disable=SC2086
run campaign mutants "$quickstart" $two --check absent.md
expect "a mutant that the table has not" 1 'not in the table:'
sed 's/kvm.late_clear/kvm.no_such/' table.md >unknown.md
# shellcheck disable=SC2086
run campaign mutants "$quickstart" $two --check unknown.md
expect "a row of no mutant" 1 'in the table, but no mutants:'
run campaign mutants "$quickstart" --check short.json
expect "no table" 2 'there is no line'
run campaign mutants "$quickstart" --check nosuch.md
expect "no document" 2 'cannot be read'

# --- rare paths ---------------------------------------------------------------------------------

run explain marks
expect "rare paths have names" 0 'kvm.kicked'
run explain kvm.kicked
expect "and meanings" 0 'mark kvm.kicked: '
run campaign run "$quickstart/two_vms.json" --runs 1 --out marks
expect "a campaign tells those that no run reached" 0 'rare paths reached; never:'
verdict "but not those that one did" "$(grep '^  kvm.kicked ' o)"
verdict "and does tell the others" "$(grep -q '^  iopf.group_expired ' o || grep marks: o)"
run campaign merge marks --format json
expect "so does what puts results together" 0 '"marks_never_hit": ['

finish
