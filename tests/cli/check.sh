#!/bin/bash
# Does the command line keep its word: exit codes, messages, what is written and what is not? Each
# case runs the program as a user would and looks at its exit code, its output and its files.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# --- numbers and options ------------------------------------------------------------------------

for seed in -1 junk 1.5 0x10 18446744073709551616 ""; do
    run run short.json --no-files --seed "$seed"
    expect "seed \"$seed\" is refused" 2 'is no whole number from 0 to 18446744073709551615'
done
run run short.json --no-files --seed 18446744073709551615 --format json
expect "the largest seed is taken as it is" 0 '"seed": 18446744073709551615'
run run short.json --timeout 0
expect "a timeout of nothing" 2 'is no whole number from 1'
run run short.json --out ""
expect "a folder without name" 2 '--out'
run run short.json --out x --no-files
expect "a folder and no folder" 2 '--no-files writes no folder of results'
run run short.json --trace a.vcd --trace b.vcd
expect "two waveforms" 2 'a run writes one waveform'
run run short.json --set run.limit
expect "--set without value" 2 'PATH=VALUE'
run run short.json -x
expect "an unknown short option" 2 'ioasim run has no option -x'
run params nosuch
expect "a parameter that does not exist" 2 'no parameter has "nosuch" in its name'
run params iotlb.entris
expect "a parameter misspelt" 2 'did you mean "iommu.iotlb.entries"?'
run explain vtd.fault
expect "fault reasons have their names" 0 '0x59  SPT.2'
run explain fault 0x71
expect "a reason of a fault says what raises it" 0 'example: a read of an address that nothing maps'
run explain fault 0x22
expect "a reason that the model lacks says why" 0 'never raised by this model'
run explain fault 0x88
expect "a number that is no reason" 2 'nothing is known about "fault 0x88"'
run run short.json --no-files --set ioasid.switches.managed_sets=true
expect "a switch of the core without the platform in front" 0 'PASS'
run validate short.json --set ioasid.switches.manged_sets=true
expect "a switch misspelt" 2 'did you mean "managed_sets"?'
run validate short.json --set ioasid=5
expect "the core as a whole is no value" 2 'ioasid.profile, ioasid.capacity, ioasid.switches.NAME'
run explain switches
expect "how to set a switch is told" 0 '--set ioasid.switches.NAME=VALUE'
run explain ioasid.hazard
expect "hazards have their kinds" 0 'removed_allocator_in_use'
run explain self_deadlock
expect "a kind of hazard has its meaning" 0 'a lock is taken by who holds it already'
run explain ioasid.alloc.no_memory
expect "a fault site is known" 0 '{"fail_next": "ioasid.alloc.no_memory"}'
run validate short.json --set programs=null
expect "a run in which nobody does anything is told" 0 'no program has a step in profile spec'
run run short.json --set platform.params='{"pcie.queue": 4096}' --no-files
expect "a parameter's least value" 0 'PASS'

run run "$top/scenarios/quickstart/two_vms.json" --no-files --set kernel.kvm.kick_timeout=2ms
expect "a parameter of the kernel" 0 'PASS'
run validate short.json --set kernel.kvm.kick_timeout=1ps
expect "which has its range" 2 'kernel.kvm.kick_timeout'
run validate short.json --set kernel.kvm.kick_timeot=2ms
expect "and its name" 2 'did you mean "kernel.kvm.kick_timeout"?'
run validate short.json --set 'kernel.blocks[0].at=now'
expect "and is no kernel code" 2 '/kernel/blocks'

# --- what kernel threads do ---------------------------------------------------------------------

# threads NAME STEPS...: a scenario NAME.json with a kernel thread for each list of steps.
threads() {
    local name=$1 list=
    shift
    for steps in "$@"; do
        list+=${list:+,}'{"on":"host/kernel","process":"t'$#${#list}'","mm":"qemu",'
        list+='"steps":['$steps']}'
    done
    echo '{"version": 1, "name": "'"$name"'", "purpose": "kernel threads and their locks",
 "kernel": {"locks": [{"name": "a"}, {"name": "b", "kind": "mutex"}]},
 "programs": ['"$list"'], "expect": [{"invariants": "hold"}]}' >"$name.json"
}
threads keeps '{"lock": "b"}'
run run keeps.json --no-files
expect "a thread that ends with a lock is a finding" 1 'ended_with_lock at host/b'
verdict "a hazard without a call chain ends there" \
    "$(! grep -q 'ended_with_lock at .* in' o || grep ended_with_lock o)"
threads abba '{"lock": "a"}, {"spend": "5us"}, {"lock": "b"}, {"unlock": "b"}, {"unlock": "a"}' \
    '{"lock": "b"}, {"spend": "5us"}, {"lock": "a"}, {"unlock": "a"}, {"unlock": "b"}'
run run abba.json --set run.on_hazard=stop --out abba
expect "the first hazard ends the run" 1 'unwanted finding hazard.real_code_breaks'
verdict "no other is met" \
    "$([ "$(cat $(find abba -name trace.jsonl) | grep -c '"ioasid.hazard"')" -eq 1 ] ||
        echo 'not one hazard')"
verdict "who did not finish then is no finding" "$(grep 'liveness\.' o)"
threads unset '{"alloc": "A", "set": "s", "error": "any"}, {"get": "A"}' \
    '{"set_alloc": "s", "mm": "qemu", "quota": 4000000, "error": "any"}'
run run unset.json --no-files
expect "a variable that was never set is named" 1 'A was never allocated: the step that does it'
threads unmade '{"set_alloc": "s", "mm": "qemu", "quota": 4000000, "error": "any"},
    {"set_free": "s"}'
run run unmade.json --no-files
expect "a set that was never made is named" 1 'set s was never made'
threads gone '{"set_alloc": "s", "mm": "qemu", "quota": 4}, {"mm_exit": "qemu"},
    {"mm_exit": "qemu"}'
run run gone.json --no-files
expect "an address space ends once" 1 'it ended with -ESRCH'
{
    printf '{"version": 1, "name": "wide", "purpose": "one long line", "programs": [{"on": "host",'
    printf '"process": "app", "steps": [{"sleep": "1ns"}'
    seq 100000 | sed 's/.*/, {"sleep": "1ns"}/' | tr -d '\n'
    printf ']}], "expect": [{"invariants": "hold"}]}'
} >wide.json
run validate wide.json
expect "a long line is read" 0 'wide.json'

# --- outputs ------------------------------------------------------------------------------------

refused_outputs() {
    mkdir -p taken.vcd
    touch old.jsonl wave.gtkw
    for output in "--report json=nowhere/r" "--trace nowhere/t.vcd" "--trace taken.vcd" \
        "--trace old.jsonl" "--trace wave.vcd" "--report json=short.json" "--out short.json/out" \
        "--report junit=same --report json=./same"; do
        rm -rf out
        # shellcheck disable=SC2086
        run run short.json $output
        local problem=
        [ "$code" -eq 2 ] || problem="exit code $code, not 2: $(tail -n 1 e)"
        ! grep -q PASS o || problem="it ran all the same"
        verdict "found before the run: $output" "$problem"
    done
}
refused_outputs

run run short.json --no-files --report json=/dev/full --report junit=junit.xml
expect "a report that is lost" 3 'cannot write /dev/full: No space left on device'
verdict "its neighbour is not" "$([ -s junit.xml ] || echo 'no junit.xml')"
verdict "nor is the device" "$([ -c /dev/full ] || echo 'it is a file now')"
ln -s /dev/full full.jsonl
run run short.json --no-files --trace full.jsonl
expect "a trace that is lost" 3 'OUTPUT LOST in'
expect "and the verdict is told" 3 'verdict PASS'
run run failing.json --no-files --trace full.jsonl
expect "a failure without trace is told as such" 3 'verdict FAIL'
"$ioasim" run short.json --no-files >/dev/full 2>e
code=$?
: >o
expect "a full standard output" 3 'cannot write results to standard output'
"$ioasim" schema 2>e | head -n 1 >o
verdict "a reader who has seen enough" \
    "$([ "${PIPESTATUS[0]}" -eq 0 ] && [ ! -s e ] || echo "it says: $(head -n 1 e)")"
"$ioasim" run short.json --no-files --trace closed.jsonl >&- 2>e
verdict "a closed standard output is no file" \
    "$(head -c 10 closed.jsonl | grep -q '{"schema":' || echo "it begins with something else")"

run run short.json short.json --out twice --quiet
verdict "two runs of one name have a folder each" \
    "$([ -s twice/short-1/run.json ] && [ -s twice/short-1.2/run.json ] || echo "$(ls twice)")"

# --- ends ---------------------------------------------------------------------------------------

run run failing.json --no-files
expect "a failed expectation" 1 'ioasid.alloc happened once; wanted: 2 times'
expect "and how to see it again" 1 'reproduce: ioasim run failing.json --seed 1'
run run long.json --no-files --set run.limit=300us --quiet
expect "the limit is the time of the end" 4 'LIMIT at 300 us'
run run short.json --no-files --set ioasid.profile=v4 --quiet
expect "another profile is named" 1 'profile v4'
run run long.json --no-files --timeout 1 --quiet
expect "a host timeout" 5 'TIMEOUT'

# stopped SIGNAL CODE: a run that gets it ends soon, with its results.
stopped() {
    rm -rf out
    # Whoever started the tests may ignore the signal.
    env --default-signal="$1" "$ioasim" run long.json >o 2>e &
    local pid=$! problem= ended=
    for _ in $(seq 100); do
        [ ! -s out/long-1/trace.jsonl ] || break
        sleep 0.1
    done
    kill "-$1" "$pid"
    wait "$pid"
    ended=$?
    [ "$ended" -eq "$2" ] || problem="exit code $ended, not $2"
    grep -q '"exit_code": '"$2" out/long-1/run.json || problem+=" no run.json"
    tail -n 1 out/long-1/trace.jsonl | grep -q '"reason":"signal"' || problem+=" half a trace"
    grep -q 'results up to there are in out/long-1' e || problem+=" does not say so"
    verdict "$1 keeps what there is" "$problem"
}
stopped HUP 129
stopped TERM 143
stopped INT 130

# Other verbs that get a signal say so and end soon.
long_recording() {
    echo '{"format":"ioasid-ops/1","profile":"v4","capacity":9,"notifiers":[]}'
    seq 0 2000000 | sed 's/.*/{"i":&,"op":"find_set","id":1,"ret":-2,"events":[]}/'
}
long_recording >long.jsonl
asked_to_end INT 130 'the rest was not tried' conform ioasid long.jsonl
asked_to_end TERM 143 'interrupted' conform ioasid long.jsonl
rm long.jsonl
asked_to_end INT 130 'bench ioasid: interrupted' bench ioasid
asked_to_end TERM 143 'bench ioasid: interrupted' bench ioasid

# --- two runs side by side ----------------------------------------------------------------------

run compare short.json --same
expect "a run is like itself" 0 '0 of '
run compare short.json --b host.sva.quota=1
expect "unknown parameters are refused for one side, too" 2 'error[E0'
run compare short.json --defect-b ioasid.missing_putt
expect "and unknown defects" 2 'did you mean "ioasid.missing_put"?'
run compare "$top/scenarios/quickstart/two_vms.json" --defect-b ioasid.reversed_priority
expect "notifications in the wrong order are a risk" 0 'finding order.'
two="$top/scenarios/quickstart/two_vms.json"
run compare "$two" --seed 3 --defect-b ioasid.reversed_priority --format json
cp o first
run compare "$two" --seed 3 --defect-b ioasid.reversed_priority --format json
verdict "the same comparison, the same bytes" "$(cmp first o 2>&1)"
run compare "$top/scenarios/quickstart/two_vms.json" --defect-b ioasid.reversed_priority --same
expect "which may be forbidden" 1 'differ; --all'
run compare short.json missing.json
expect "a file that is not there" 2 'missing.json'
run compare short.json short.json short.json
expect "three are too many" 2 'help: `ioasim compare --help`'

# --- what the other verbs say -------------------------------------------------------------------

run conform ioasid
expect "a verb below a verb has its full name" 2 'help: `ioasim conform ioasid --help`'
run conform ioasid --help
expect "and its own help" 0 'Usage: ioasim conform ioasid [OPTIONS] FILE...'
run bench --help
expect "all benchmarks are listed" 0 'ioasid: calls of the IOASID core'
expect "and what --strict is for" 0 'Without --strict a figure marked OVER is only shown'

# The process of a run does not outlive the one that would take its result.
"$ioasim" run long.json --no-files >/dev/null 2>&1 &
parent=$!
sleep 1
child=$(cat "/proc/$parent/task/$parent/children" 2>/dev/null)
kill -KILL "$parent"
{ wait "$parent"; } 2>/dev/null
for _ in $(seq 50); do
    [ -n "$child" ] && kill -0 $child 2>/dev/null || break
    sleep 0.1
done
# shellcheck disable=SC2086
verdict "a killed run leaves nobody behind" \
    "$([ -z "$child" ] || ! kill -0 $child 2>/dev/null || echo "process $child runs on")"

finish
