#!/bin/bash
# Do stories say only what the events say? Each case here compares a statement with the events that
# it is about: what is blocked after its descriptor ended, who answered whom, who held an ID last.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
two=$top/scenarios/quickstart/two_vms.json

# traces_of SCENARIO: its runs as ./t.CELL.jsonl, or ./t.jsonl.
traces_of() {
    rm -f t.*
    "$ioasim" run "$top/scenarios/$1" --no-files --quiet --trace t.jsonl >o 2>e </dev/null ||
        verdict "$1 leaves traces" "$(tail -n 1 e)"
}
# count EVENT WORDS... : lines of ./trace with that event and all the words.
count() {
    local lines
    lines=$(grep -F "\"event\":\"$1\"" trace)
    shift
    for word in "$@"; do
        lines=$(grep -F -- "$word" <<<"$lines")
    done
    grep -c . <<<"$lines"
}

# --- descriptors: posted writes are judged after the device is done -------------------------------

for name in viommu/giova_shadow viommu/giova_nested; do
    traces_of $name.json
    mv t*.jsonl trace
    run trace explain trace --descriptor 3 --device dsa0
    blocked=$(count vtd.fault '"write":true' '"descriptor":3')
    expect "$name: all blocked writes count" 0 "but $blocked of its writes did not reach memory"
    verdict "which is no clean end" "$(grep -E '^  completed' o)"
    expect "its record is told when it is in memory" 0 'memory     its record is in memory'
    expect "requests add up" 0 '25 requests to iommu0: 9 translated from the IOTLB, 0 by a walk, 16'
done

"$ioasim" run "$two" --no-files --quiet --trace two.jsonl >o 2>e </dev/null
cp two.jsonl trace
run trace explain trace --descriptor 15
expect "a record that was blocked" 0 'its record was blocked: software never saw this status'
verdict "was not written" "$(grep -E 'record is (written|in memory)' o)"
expect "with its blocked requests" 0 "$(count vtd.fault '"descriptor":15}') of its 24 requests"
sums() { # of `requests` lines: all = IOTLB + walks + asked for + blocked + without an outcome
    for descriptor in 1 5 9 14 16; do
        "$ioasim" trace explain trace --descriptor $descriptor 2>/dev/null
    done | python3 -c '
import re, sys
for line in sys.stdin:
    if "translated from the IOTLB" in line:
        numbers = [int(n) for n in re.findall(r"(?<=[:,] )(\d+) (?!read)", line.split(";")[0])]
        if sum(numbers) != int(re.search(r"(\d+) requests? to", line).group(1)):
            print(line.strip())'
}
verdict "requests of every descriptor add up" "$(sums)"

# --- faults: which answer the device got ----------------------------------------------------------

traces_of faults/time_out.json
run trace explain t*=50us.jsonl --fault 1
expect "nobody answered in time" 0 'answered 53.765 us later, invalid (timeout)'
expect "the guest's success came too late" 0 'came 50.170 us after that: too late'
verdict "the answer took as long as the timeout" \
    "$(grep -q 'from there to its answer  *50.000 us' o || cat o)"
traces_of faults/unbind_with_pending.json
for end in unbind unplug; do
    run trace explain t*end=$end.jsonl --fault 1
    expect "end=$end: the detach answered" 0 'later, invalid (detached)'
done
traces_of inject/page_messages_lost.json
run trace explain t*page_response_lost.jsonl --fault 1
expect "an answer that is lost on its way" 0 'later, code 0; this answer was lost on its way'

run trace explain two.jsonl --fault 1
verdict "a blocked write is not reported to the device" "$(grep 'the device learns' o)"
verdict "one walk reads a table once" \
    "$(grep 'the walk reads' o | sed 's/.*reads \([a-z_0-9]*\) .*/\1/' | uniq -d)"
expect "what it read last" 0 'the walk reads pasid_entry at'

# --- lives: who held an ID last, and whose number it is -------------------------------------------

traces_of regressions/25_guest_bind_race.json
for profile in v4 spec dcp; do
    cp t*=$profile.jsonl trace
    run trace explain trace --ioasid 201 --life 1
    last=$(grep -F '"event":"ioasid.put"' trace | grep -F '"ioasid":201' | grep -m 1 -F '"refs":0' |
        sed 's/.*"holder":"\([^"]*\)".*/\1/')
    expect "$profile: whose put was the last" 0 "$last held it to the last"
done
cp t*=v4.jsonl trace
run trace explain trace --ioasid 201 --life 2
verdict "an entry of another life is not its own" "$(grep 'its PASID entry' o)"
expect "but told as that" 0 'of an earlier life of the number'
traces_of lifecycle/43_life_patterns.json
run trace explain t*devices=1,dma=true,end=set,ioasid.profile=dcp.jsonl --ioasid 201
expect "a put by one who held none" 0 'was dropped by vdcm/vm1/dsa1, which held none'

traces_of migration/live.json
run trace explain t.jsonl --ioasid 201 --kernel target
expect "an ID of the other host" 0 'IOASID 201 of target'
verdict "has nothing of the first host's" "$(grep -E 'vm1|dsa0' o)"
run trace explain t.jsonl --ioasid 201 --kernel target --format mail
expect "its chart has its device" 0 'dsa1'
verdict "and no other" "$(grep dsa0 o)"
run trace explain t.jsonl --ioasid 202 --kernel host
verdict "nothing of the target's" "$(grep -E ' target/|dsa1' o)"
verdict "no line without words" "$(grep -E '^ +[0-9.]+ us .\S+ +(\[|$)' o)"
run trace explain t.jsonl --ioasid 202 --kernel target
expect "the target's own" 0 'PASID translation of vm1: 101 -> 202'

# --- parts of a run -------------------------------------------------------------------------------

# part OPTIONS...: a part of the run of two machines, as ./p.jsonl.
part() {
    run run "$two" --no-files --quiet --force --trace p.jsonl "$@"
}
verdict "a whole trace says nothing of parts" "$(head -n 1 two.jsonl | grep only)"
run trace explain two.jsonl
verdict "nor do its answers" "$(grep 'part of its run' o)"
run trace explain two.jsonl --at 1h
expect "a time behind the end of the run" 0 'the run ended at 252.941 us: what held then'

part --trace-window 215us:220us
verdict "a window stands in the header" \
    "$(head -n 1 p.jsonl | grep -qF '"only":{"from_ps":215000000,"to_ps":220000000}' || echo no)"
run trace explain p.jsonl
expect "an overview says so first" 0 'the trace is a part of its run (from 215 us to 220 us)'
verdict "and has no states" "$(grep 'host.ioasid' o)"
run trace explain p.jsonl --at 217us
expect "who held what is not known" 2 'who held what at 217.000 us is not known'
run trace explain p.jsonl --ioasid 202
expect "an ID from before" 2 'no IOASID 202 was allocated in this trace'
expect "which has not all" 2 'the trace is a part of its run (from 215 us to 220 us)'
run trace convert p.jsonl p.vcd
expect "no waveform of it" 2 'a part of its run (from 215 us to 220 us)'
run trace convert p.jsonl q.jsonl --window 216us:
verdict "what is made of it is a part as well" \
    "$(head -n 1 q.jsonl | grep -qF '"from_ps":216000000,"to_ps":220000000' || head -n 1 q.jsonl)"
run trace query p.jsonl --count
expect "a query says so" 0 'p.jsonl is a part of its run: from 215 us to 220 us'
run report p.jsonl -o p.html
verdict "and a report" "$(grep -q 'part of its run (from 215 us to 220 us)' p.html || echo no)"
verdict "without more than it knows" "$(grep 'No ID was allocated' p.html)"

for options in "--trace-last 300" "--trace-scope vm1"; do
    # shellcheck disable=SC2086
    part $options
    run trace explain p.jsonl --at 217us
    expect "$options: who held what" 2 'is not known'
    run trace explain p.jsonl
    expect "$options: an overview" 0 'the trace is a part of its run'
    verdict "$options: no state" "$(grep -E 'host.ioasid|cut off' o)"
done

part --trace-limit 300KiB
run trace explain p.jsonl --ioasid 202
expect "a trace that breaks off" 0 'the trace is a part of its run (it breaks off at'
expect "does not know of an end" 0 'not freed in this trace: held by iommu'
run trace explain p.jsonl --at 217us
expect "does not know what comes" 2 'the trace ends at'
run trace explain p.jsonl --at 150us
expect "but what was" 0 'host.ioasid(202)  '
run report p.jsonl -o q.html
verdict "a report says so" "$(grep -q 'before the end of its run' q.html || echo no)"

run run "$two" --no-files --quiet --trace p.vcd --trace-window 215us:220us
run trace check p.vcd --at 249us
expect "values behind the end of a waveform" 0 \
    'p.vcd ends at 220 us, before 249 us: the values are those of its end'
run trace check p.vcd --at 219us
verdict "are not those before it" "$(grep 'p.vcd ends' o)"

finish
