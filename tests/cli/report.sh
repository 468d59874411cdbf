#!/bin/bash
# Does a report keep its word: one file that loads nothing, in which nothing of a scenario becomes
# markup, and which tells what the run told?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
quickstart=$top/scenarios/quickstart

holds() { # NAME FILE TEXT
    verdict "$1" "$(grep -qF -- "$3" "$2" || echo "$2 does not say \"$3\"")"
}
lacks() { # NAME FILE EXPRESSION
    verdict "$1" "$(grep -nE -m 1 -- "$3" "$2" | cut -c 1-120)"
}
# A static page is XML, so that any parser judges it.
well_formed() { # NAME FILE
    verdict "$1" "$(python3 "$here/report_page.py" "$2" 2>&1 | head -n 3)"
}

# --- a run --------------------------------------------------------------------------------------

run run "$quickstart/two_vms.json" --out two
run report two --assets none
expect "the folder of a run" 0 'two/report.html: '
well_formed "is well formed, whole, and loads nothing" two/report.html
holds "forbids the network" two/report.html \
    "content=\"default-src 'none'; style-src 'unsafe-inline'; "
lacks "names no other host" two/report.html '(src|href)="https?:|url\(.?http|@import'
for text in 'PASS' '<dt>ended</dt><dd>idle</dd>' '23 hold' 'host 201 (vm1)' 'vm2/vcpu0/app' \
    'dsa0.wq0 waiting' 'kvm/vm1' '0x59 the PASID entry is not present' \
    'prefers-color-scheme:dark' 'FREE_PENDING'; do
    holds "tells of $text" two/report.html "$text"
done
first=$(sed -n 's/.*"time_ps":\([0-9]*\),"event":"vtd.fault".*/\1/p' two/trace.jsonl | head -n 1)
holds "links the first fault to its moment" two/report.html "data-ps=\"$first\""
faults=$(grep -c '"event":"vtd.fault"' two/trace.jsonl)
holds "counts the faults" two/report.html "<td class=\"n\">$faults</td>"
run report two
expect "overwrites nothing" 2 '--force overwrites it'
run report two --assets none --force -o again.html
expect "another name" 0 'again.html'
verdict "the same bytes" "$(cmp two/report.html again.html 2>&1)"

run report "$quickstart/two_vms.json" --defect ioasid.reversed_priority --assets none
expect "a scenario runs first" 0 'two-vms-same-guest-pasid: FAIL'
well_formed "a page of a failed run" two-vms-same-guest-pasid.html
for text in '1 of 23 failed' 'order.priority' 'called after' 'What led to them'; do
    holds "tells of $text" two-vms-same-guest-pasid.html "$text"
done

# --- traces alone, broken, absent ---------------------------------------------------------------

run report two/trace.jsonl -o trace.html --assets none
expect "a trace alone" 0 'trace.html'
well_formed "is a page too" trace.html
holds "without a verdict" trace.html 'A trace without a verdict'
run run short.json --out packed --trace packed.jsonl.gz
run report packed --assets none
expect "a packed trace, elsewhere" 0 'packed/report.html'
holds "is found by the run's name of it" packed/report.html 'id="timeline-svg-title"'
run run "$quickstart/two_vms.json" --no-files --trace window.jsonl --trace-window 200us:250us
run report window.jsonl --assets none -o window.html
expect "a trace of a window" 0 'window.html'
holds "has that window on its axis" window.html '>220 us</text>'
lacks "and no other time" window.html '>100 us</text>'
mkdir cut && head -c 300000 two/trace.jsonl >cut/trace.jsonl
cp two/run.json two/resolved.json cut
run report cut --assets none
expect "a trace that breaks off" 0 'cut/report.html'
holds "says so" cut/report.html 'The trace breaks off in line'
mkdir bare && cp two/resolved.json bare
sed 's/trace.jsonl: /gone.jsonl: /' two/run.json >bare/run.json
run report bare --assets none
expect "no trace at all" 0 'bare/report.html'
holds "is told, too" bare/report.html 'no trace of events'
run report short.json -o short.html --assets none
expect "a run of two steps" 0 'short: PASS'
well_formed "is well formed as well" short.html
echo '{"schema":"other"}' >other.jsonl
run report other.jsonl
expect "not a trace" 2 'other.jsonl:1: '
mkdir empty
run report empty
expect "an empty folder" 2 'neither run.json nor'
run report nothing
expect "nothing" 2 'no folder of results'
run report two --assets empty -o x.html
expect "no assets there" 2 'report_assets.sh builds them'
run report failing.json --assets none -o no/such/x.html
expect "no such folder" 2 'the folder does not exist'
run report failing.json --assets none -o failing.json --force
expect "not over the scenario" 2 'would overwrite'

# --- hostile names ------------------------------------------------------------------------------

cat >hostile.json <<'END'
{"version": 1, "name": "hostile",
 "purpose": "</title><script>alert(1)</script> & \"quotes\" 'too' \u0001 ]]> <!--",
 "programs": [{"on": "host", "process": "app", "steps": [{"alloc": "A"}, {"free": "A"}]}],
 "expect": [{"event": "ioasid.alloc", "count": 2, "why": "<img src=x onerror=alert(2)>"}]}
END
run report hostile.json -o hostile.html --assets none
expect "a purpose full of markup" 0 'hostile: FAIL'
well_formed "stays text" hostile.html
lacks "no script of it" hostile.html '<script|<img'
holds "and can be read" hostile.html '&lt;img src=x onerror=alert(2)&gt;'
sed 's/"host\/boot"/"<\/svg><script>alert(3)<\/script>"/g' two/trace.jsonl >hostile.jsonl
run report hostile.jsonl -o hostile2.html --assets none
expect "names in a trace, too" 0 'hostile2.html'
well_formed "stay text" hostile2.html

# --- a script beside it -------------------------------------------------------------------------

mkdir assets && echo 'document.title' >assets/report.js && echo 'b{}' >assets/report.css
echo 'sha256-abc=' >assets/report.hash
run report hostile.jsonl -o scripted.html --assets assets
expect "with a script" 0 'zooms and filters'
holds "only that one may run" scripted.html "script-src 'sha256-abc='"
verdict "and no data ends it" "$([ "$(grep -o '<script' scripted.html | wc -l)" = 2 ] ||
    echo "$(grep -o '<script' scripted.html | wc -l) scripts")"

# --- a campaign ---------------------------------------------------------------------------------

run campaign run "$quickstart" --runs 20 --seed 3 --out good
run report good --assets none
expect "a campaign" 0 'good/report.html'
well_formed "is well formed" good/report.html
holds "that passed" good/report.html 'all passed'
run campaign run "$quickstart/two_vms.json" failing.json --runs 12 --seed 3 --out bad \
    --defect ioasid.reversed_priority
run report bad --assets none
expect "one that failed" 0 'bad/report.html'
well_formed "is well formed, too" bad/report.html
run campaign run "$quickstart/two_vms.json" --runs 2 --seed 3 --out bad
run campaign run "$quickstart/spid_conflict.json" --runs 2 --seed 3 --out bad \
    --defect ioasid.reversed_priority --defect vtd.skip_iotlb_invalidation
run report bad --assets none --force -o mutants.html
expect "with runs without a defect" 0 'mutants.html'
well_formed "is a page, too" mutants.html
for text in 'none: the model as it is' '&#10003;&#160;caught' '&#10007;&#160;missed' \
    '<th scope="row">D12</th>' 'ioasid.reversed_priority, vtd.skip_iotlb_invalidation'; do
    holds "tells of $text" mutants.html "$text"
done
for text in 'order.priority' '12 runs failed' 'ioasim run ' 'Failures by code' '100.00 %'; do
    holds "tells of $text" bad/report.html "$text"
done

finish
