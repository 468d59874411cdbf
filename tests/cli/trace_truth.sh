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
run trace explain trace --descriptor 44
expect "a record that was blocked" 0 'its record was blocked: software never saw this status'
verdict "was not written" "$(grep -E 'record is (written|in memory)' o)"
expect "with its blocked requests" 0 "$(count vtd.fault '"descriptor":44}') of its 16 requests"
sums() { # of `requests` lines: all = IOTLB + walks + asked for + blocked + without an outcome
    for descriptor in 1 16 30 38 45; do
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
expect "the answer took as long as the timeout" 0 'from there to its answer              50.000 us'
traces_of faults/unbind_with_pending.json
for end in unbind unplug; do
    run trace explain t*end=$end.jsonl --fault 1
    expect "end=$end: the detach answered" 0 'later, invalid (detached)'
done
traces_of inject/page_messages_lost.json
run trace explain t*page_response_lost.jsonl --fault 1
expect "an answer that is lost on its way" 0 'answered 19.682 us later, code 0; this answer was lost'

run trace explain two.jsonl --fault 1
verdict "a blocked write is not reported to the device" "$(grep 'the device learns' o)"
verdict "one walk reads a table once" "$(grep 'the walk reads' o | sed 's/.*reads \([a-z_0-9]*\) .*/\1/' | uniq -d)"
expect "what it read last" 0 'the walk reads pasid_entry at'

finish
