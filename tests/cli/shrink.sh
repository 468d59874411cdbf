#!/bin/bash
# Does shrink keep what fails: is what it writes small, a scenario that fails the same way alone,
# and the same file however many runs are made at a time?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
quickstart=$top/scenarios/quickstart

# Many runs: on a busy machine they take their time.
run() {
    timeout 300 "$ioasim" "$@" >o 2>e </dev/null
    code=$?
}

# small FILE STEPS VMS: at most so many steps and virtual machines are left.
small() {
    local steps vms
    steps=$(python3 -c '
import json, sys
text = "".join(l for l in open(sys.argv[1]) if not l.startswith("//"))
d = json.loads(text)
print(sum(len(p["steps"]) for p in d.get("programs", [])), len(d.get("vms", [])))' "$1")
    vms=${steps#* }
    steps=${steps% *}
    verdict "$1 is small" \
        "$([ "$steps" -le "$2" ] && [ "$vms" -le "$3" ] || echo "$steps steps, $vms VMs")"
}

# --- seeded defects of the quickstart scenarios -------------------------------------------------

while read -r scenario defect kind steps vms; do
    run shrink "$quickstart/$scenario.json" --defect "$defect" --out "$defect.json"
    expect "$scenario with $defect shrinks" 0 "$defect.json: "
    run run "$defect.json" --no-files
    expect "and goes on failing by $kind" 1 "$kind"
    verdict "and says how it was found" \
        "$(grep -q '^// Found by ioasim shrink ' "$defect.json" || head -n 1 "$defect.json")"
    small "$defect.json" "$steps" "$vms"
    python3 -c '
import json, sys
d = json.loads("".join(l for l in open(sys.argv[1]) if not l.startswith("//")))
del d["defects"]
json.dump(d, open("whole.json", "w"))' "$defect.json"
    run run whole.json --no-files --quiet
    expect "which needs the defect" 0 ': PASS'
done <<'END_OF_LIST'
one_process_sva linux.missing_put references 2 0
one_process_sva dsa.complete_twice conservation 3 0
quota_exhausted ioasid.quota_not_checked FAILED 4 1
spid_conflict ioasid.spid_conflict_accepted FAILED 5 1
two_vms kvm.late_clear order.entry_before_cpu 5 1
foreign_free_refused ioasid.foreign_free_allowed ownership 5 2
END_OF_LIST

# --- what fails without a defect ----------------------------------------------------------------

run shrink failing.json
expect "an expectation" 0 'short.shrunk.json: '
run run short.shrunk.json --no-files
expect "goes on failing in its manner" 1 'ioasid.alloc happened once; wanted: 2 times'
run shrink failing.json
expect "a file that is there is not overwritten" 2 'short.shrunk.json'
run shrink failing.json --force
expect "unless it is wanted" 0 'short.shrunk.json: '
cat >stuck.json <<'END_OF_FILE'
{"version": 1, "name": "stuck", "purpose": "one thread waits for what nobody says",
 "programs": [
  {"on": "host/kernel", "process": "a", "mm": "m", "steps": [
   {"set_alloc": "S", "mm": "m", "quota": 5}, {"alloc": "A", "set": "S"}, {"await": "go"}]},
  {"on": "host", "process": "b", "steps": [{"sleep": "5us"}, {"sleep": "7us"}]}],
 "expect": [{"event": "ioasid.alloc", "count": 1}, {"invariants": "hold"}]}
END_OF_FILE
run shrink stuck.json
expect "a run that does not end" 0 'stuck.shrunk.json: 1 of 5 steps'
run run stuck.shrunk.json --no-files
expect "is stuck as before" 4 'HANG'
cat >found_and_stuck.json <<'END_OF_FILE'
{"version": 1, "name": "found_and_stuck", "purpose": "something is found, and then it hangs",
 "platform": {"iommus": [{"name": "iommu0"}],
  "devices": [{"name": "dsa0", "iommu": "iommu0", "workqueues": [{"name": "wq0"}]}]},
 "programs": [
  {"on": "host/kernel", "process": "a", "steps": [{"await": "go"}]},
  {"on": "host", "process": "b", "steps": [{"bind": "A", "device": "dsa0"},
   {"submit": {"to": "dsa0/wq0", "pasid": "A", "size": "64B", "count": 3}}]}],
 "expect": [{"invariants": "hold"}]}
END_OF_FILE
run run found_and_stuck.json --defect dsa.complete_twice --no-files
expect "a run in which something is found and that hangs" 4 'conservation.'
run shrink found_and_stuck.json --defect dsa.complete_twice --out found.json
expect "keeps what was first" 0 'found.json: '
run run found.json --no-files
expect "without the rest" 1 'conservation.'
cat >cells.json <<'END_OF_FILE'
{"version": 1, "name": "cells", "purpose": "fails for one number",
 "params": {"n": {"type": "integer", "default": 1}},
 "programs": [{"on": "host", "process": "app", "steps": [
   {"alloc": "A", "count": "${n}"}, {"sleep": "1us"}, {"free": "A"}]}],
 "matrix": {"over": {"n": [1, 8]}},
 "expect": [{"event": "ioasid.alloc", "count": {"at_most": 3}}, {"invariants": "hold"}]}
END_OF_FILE
sed -i 's/"count": {"at_most": 3}/"at_most": 3/' cells.json
run shrink "cells.json#n=8" --out cell.json
expect "a cell of a matrix" 0 'cell.json: '
run run cell.json --no-files
expect "stands alone" 1 'at most 3 times'
run shrink cells.json --out first.json
expect "without a name it is the first that fails" 0 'cells [n=8]'

# --- the same file ------------------------------------------------------------------------------

run shrink "$quickstart/one_process_sva.json" --defect linux.missing_put --out one.json -j 1
cp one.json one
run shrink "$quickstart/one_process_sva.json" --defect linux.missing_put --out one.json -j 4 --force
verdict "one run at a time or four" "$(diff <(sed 1,4d one) <(sed 1,4d one.json) | head -n 3)"
run shrink "$quickstart/two_vms.json" --defect kvm.late_clear --time 1 --out early.json
expect "what it has when its time is over" 0 'stopped before the end'
run run early.json --no-files --quiet
expect "fails as well" 1 'FAIL'

# --- what cannot be shrunk ----------------------------------------------------------------------

run shrink short.json
expect "a scenario that passes" 2 'there is nothing to shrink'
run shrink failing.json --code references.leak --force
expect "a finding that it does not have" 2 'no unwanted finding references.leak'
run shrink "cells.json#n=9" --force
expect "a cell that it does not have" 2 'has no cell "n=9"'
run shrink missing.json
expect "no file" 2 'missing.json'
run shrink short.json --defect nosuch
expect "no defect" 2 'there is no seeded defect'
run shrink failing.json --out failing.json --force
expect "into itself" 2 'failing.json'

finish
