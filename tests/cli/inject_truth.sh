#!/bin/bash
# Does an injection tell the truth: what struck nobody did not happen, what happened is named where
# its consequences are told, at the time at which it was, whoever looks?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
inject=$top/scenarios/inject

cat >work.json <<'END'
{"version": 1, "name": "work", "purpose": "a process copies",
 "platform": {"cpus": 4, "iommus": [{"name": "iommu0"}],
  "devices": [{"name": "dsa0", "iommu": "iommu0", "workqueues": [{"name": "wq0"}]}]},
 "vms": [{"name": "vm1", "vcpus": 2, "quota": 2, "gpasids": {"min": 101, "max": 199},
   "pasids": {"min": 201, "max": 299}}],
 "programs": [
  {"on": "host", "process": "app", "steps": [{"bind": "A", "device": "dsa0"},
   {"submit": {"to": "dsa0/wq0", "pasid": "A", "size": "64B", "count": 50}},
   {"unbind": "A", "device": "dsa0"}]},
  {"on": "vm1/vcpu0", "process": "app", "steps": [{"alloc": "A"}, {"alloc": "B"},
   {"sleep": "300us"}, {"free": "B"}, {"free": "A"}]}],
 "expect": [{"event": "ioasid.alloc"}, {"invariants": "hold"}]}
END

# with INJECTION [MORE ARGUMENTS]: runs the work with it, traced.
with() {
    sed "s|\"expect\"|\"inject\": [$1], \"expect\"|" work.json >injected.json
    shift
    run run injected.json --no-files --force --trace t.jsonl "$@"
}
# struck_nobody NAME INJECTION TEXT: it is a finding, which says how its step ended.
struck_nobody() {
    with "$2"
    expect "$1" 1 "injection.not_delivered"
    expect "$1, with what it found" 1 "$3"
    verdict "$1, and the trace says so" \
        "$(grep -q '"run.inject_missed"' t.jsonl || echo "no event")"
}

# --- what struck nobody did not happen ------------------------------------------------------------

struck_nobody "a process that has not begun" '{"at": "1us", "fault": "host/app.kill"}' \
    'kill ended with -ESRCH'
verdict "the run.inject is taken back" "$(grep -q '"run.inject_missed".*"told":true' t.jsonl ||
    grep run.inject t.jsonl)"
struck_nobody "a process that is gone" '{"at": "300us", "fault": "host/app.kill"}' 'ESRCH'
struck_nobody "a machine that is gone" '{"at": "8ms", "fault": "vm1.kill"}' 'ESRCH'
struck_nobody "a queue that the device is not on" \
    '{"at": "30us", "fault": "dsa0.fault_queue_removed"}' 'iopf_remove ended with'
struck_nobody "a guest that gets no PASID for its attack" \
    '{"at": "200us", "fault": "vm1.double_free", "vcpu": 1}' 'alloc ended with -ENOSPC'
verdict "was never told to strike" "$(grep '"run.inject"' t.jsonl)"
with '{"at": "60us", "fault": "host/app.kill"}, {"at": "1us", "fault": "host/app.kill"}'
verdict "the other one counts" "$(grep -q 'inject\[1\]' o && ! grep -q 'inject\[0\]' o || cat o)"
with '{"when": {"event": "program.step"}, "chance": "1/1", "count": 1, "fault": "host/app.kill"}'
verdict "by chance it may miss" "$(grep 'not_delivered' o)"
run trace explain injected.json
expect "an overview tells it" 0 'process.kill of host/app'

# --- a finding has the time of what it is about ---------------------------------------------------

run run "$inject/command_fails.json" --no-files --trace hazard.jsonl
at() { grep "\"$1\"" hazard.jsonl | sed 's/.*"time_ps":\([0-9]*\).*/\1/' | head -n 1; }
verdict "a hazard's finding is not that of the next event" \
    "$([ "$(at run.finding)" = "$(at ioasid.hazard)" ] || grep -E 'hazard|finding' hazard.jsonl)"
us=$(at ioasid.hazard)
us=${us%??????}.${us: -6}
expect "nor in the summary" 0 " at $us us"
run trace explain hazard.jsonl
expect "nor in what to ask next" 0 "--at ${us}us"

# --- numbers of events are those of the trace, traced or not --------------------------------------

for scenario in inject/command_fails quickstart/two_vms faults/guest_page_faults; do
    file=$top/scenarios/$scenario.json
    rm -f n*.jsonl
    run run "$file" --no-files --format json
    grep -o '"events": *[0-9]*\|(event [0-9]*)\|"seq": *[0-9]*' o >untraced
    run run "$file" --no-files --format json --trace n.jsonl --force
    grep -o '"events": *[0-9]*\|(event [0-9]*)\|"seq": *[0-9]*' o >traced
    verdict "$scenario: numbers without a trace" "$(diff untraced traced | head -n 4
        grep -q '"events"' traced || echo "none")"
done
run run "$inject/command_fails.json" --no-files
number=$(grep -o 'hazard.*(event [0-9]*)' o | grep -o '[0-9]*)$' | tr -d ')')
verdict "the number of a finding's event is its seq" \
    "$(grep "^{\"seq\":$number," hazard.jsonl | grep -q 'run.finding\|ioasid.hazard' ||
        echo "event $number: $(grep "^{\"seq\":$number," hazard.jsonl)")"

# --- a cause from outside is named ----------------------------------------------------------------

# named SCENARIO TEXT QUESTION...: its trace answers the question with the text.
named() {
    local file=$1 text=$2
    shift 2
    run trace explain "$inject/$file.json" "$@"
    expect "$file: $*" 0 "$text"
}
named process_killed 'process.kill of host/app'
named process_killed 'from outside: process.kill of host/app at ' --ioasid 1
named device_hangs 'dsa.hang of dsa0'
named device_hangs 'FROM OUTSIDE: dsa.hang of dsa0' --descriptor 8
named invalidation_unanswered 'pcie.invalidation_lost of dsa0' --ioasid 1 --life 1
named partial_request_lost 'iopf.partial' --fault 1
run trace explain "$inject/machine_ends.json" --set how=killed --vm vm1
expect "the machine that it killed" 0 'from outside: vm.kill of vm1 at '
run trace explain "$inject/machine_ends.json" --set how=killed --vm vm2
verdict "and not in the story of another" "$(grep -i 'from outside' o)"

finish
