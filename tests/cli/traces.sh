#!/bin/bash
# Do traces keep their word: the format by the ending, what is selected, what is told at the end,
# and files that are good whatever ends the run?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
quickstart=$top/scenarios/quickstart
fst=.fst
"$ioasim" run short.json --no-files --trace probe.fst >o 2>e || fst=

# --- formats --------------------------------------------------------------------------------------

all=()
for ending in .jsonl .jsonl.gz .vcd $fst .pftrace .json; do all+=(--trace "t$ending"); done
run run "$quickstart/one_process_sva.json" --no-files "${all[@]}"
expect "every format at once" 0 't.pftrace: '
cp o summary
for ending in .jsonl .jsonl.gz .vcd $fst .pftrace .json; do
    told="^  t$ending: [0-9.]+ (bytes|[KM]iB), [0-9]+ "
    verdict "t$ending is told with its size" "$(grep -qE "$told" summary || echo "not told")"
    run trace check "t$ending"
    expect "t$ending is good" 0 '1 trace, 1 good, 0 bad'
done
cp t.json first.json
cp t.pftrace first.pftrace
[ -z "$fst" ] || cp t.fst first.fst
sleep 1 # nobody's clock is in them
run run "$quickstart/one_process_sva.json" --no-files "${all[@]}" --force
for file in first.*; do
    verdict "$file has the same bytes each time" "$(cmp "$file" "t.${file#first.}" 2>&1)"
done
if [ -z "$fst" ]; then
    run run short.json --no-files --trace t.fst
    expect "a build without FST says what to install" 2 'verilator'
fi
run run short.json --no-files --trace t.txt
expect "an ending that is no format" 2 'traces are written as .jsonl, .jsonl.gz, .vcd, .fst'
run run short.json --no-files --trace a.jsonl.gz --trace b.jsonl.gz
expect "two of one format" 2 'a run writes one event trace, compressed'
run run "$quickstart/one_process_sva.json" "$quickstart/spid_conflict.json" --no-files \
    --trace many.jsonl.gz
expect "several runs" 0 '2 runs: 2 passed'
verdict "insert the run before the whole ending" \
    "$([ "$(find . -name 'many.*.jsonl.gz' | wc -l)" = 2 ] || find . -name 'many*')"

# --- what is selected -----------------------------------------------------------------------------

sva() { run run "$quickstart/one_process_sva.json" --no-files --force "$@"; }
sva --trace s.jsonl --trace-scope 'ioasid.*' --trace-scope 'vtd.fault'
expect "a scope is told" 0 'only ioasid.* vtd.fault'
verdict "and is all there is" "$(sed 1d s.jsonl | grep -v '"event":"\(ioasid\.\|vtd.fault\)')"
for ending in .jsonl .jsonl.gz .vcd $fst .pftrace .json; do
    sva --trace "n$ending" --trace-scope 'nothing.at.all'
    expect "a scope that fits nothing, $ending" 0 'PASS'
    run trace check "n$ending"
    expect "leaves a good file" 0 '1 good'
done
sva --trace w.jsonl --trace w.vcd --trace-window 20us:30us
expect "a window is told" 0 '20 us to 30 us'
verdict "and holds" "$(sed 1d w.jsonl | sed 's/.*"time_ps":\([0-9]*\),.*/\1/' |
    awk '$1 < 20000000 || $1 > 30000000' | head -n 1)"
sva --trace w.jsonl --trace-window 20us:
expect "an open window" 0 'from 20 us on'
for window in 5 : 30us:20us 20:30 1us:2us:3us; do
    sva --trace w.jsonl --trace-window "$window"
    expect "the window $window is refused" 2 '--trace-window'
done
sva --trace l.jsonl --trace-last 10
expect "the last events" 0 'the last 10 events'
verdict "are ten, to the end" "$(sed 1d l.jsonl | cmp - <(tail -n 10 t.jsonl) 2>&1)"
sva --trace l.jsonl --trace-last 0
expect "no events are no number of events" 2 '--trace-last'
for ending in .jsonl .jsonl.gz .vcd $fst .pftrace .json; do
    run run "$quickstart/two_vms.json" --no-files --force --trace "m$ending" --trace-limit 24KiB
    expect "a limit, $ending" 0 'PASS'
    size=$(stat -c %s "m$ending")
    verdict "is kept" "$([ "$size" -le 24576 ] || echo "$size bytes")"
    run trace check "m$ending"
    expect "by a good file" 0 '1 good'
done
run run "$quickstart/two_vms.json" --no-files --force --trace m.jsonl --trace-limit 24KiB
expect "where it ends is told" 0 'more would be larger than 24.0 KiB'
sva --trace m.jsonl --trace-limit 10
expect "a limit without unit" 2 '--trace-limit'
run run short.json --no-files --trace f.jsonl --trace f.vcd --trace-on-failure
expect "the trace of a run that passed" 0 'f.jsonl: not kept, the run passed'
verdict "is gone with all that came along" "$(find . -name 'f.*')"
run run failing.json --no-files --trace f.jsonl --trace f.vcd --trace-on-failure
expect "that of a failed run" 1 'f.jsonl: '
verdict "is kept" "$([ -s f.jsonl ] && [ -s f.gtkw ] || ls)"
vectors=$top/tests/vectors/vtd/qemu
run conform vtd "$vectors/walk3-01.jsonl" --trace walk.json --trace-scope 'vtd.*'
expect "a recording's run has the same options" 0 '0 mismatches'
run trace check walk.json
expect "and traces" 0 '1 good'

# --- what ends a run ------------------------------------------------------------------------------

"$ioasim" run long.json --no-files --trace k.jsonl --trace k.json --trace k.vcd --trace k.pftrace \
    --trace k.jsonl.gz >o 2>e &
pid=$!
for _ in $(seq 100); do
    [ ! -s k.jsonl.gz ] || break
    sleep 0.1
done
sleep 1
pkill -KILL -P "$pid"
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
run trace check k.json
expect "a killed run: the Chrome trace is good" 0 'without an end'
run trace check k.vcd
expect "so is the waveform" 0 '1 good'
run trace check k.pftrace
expect "the Perfetto trace lacks ends of slices only" 0 'without an end'
verdict "whole blocks come out of the compressed one" \
    "$([ "$(zcat k.jsonl.gz 2>/dev/null | head -n 1000 | wc -l)" = 1000 ] || echo none)"
ln -s /dev/full full.pftrace
run run short.json --no-files --trace full.pftrace
expect "a full disk" 3 'OUTPUT LOST in'

# --- check and convert ----------------------------------------------------------------------------

run trace check t.vcd nosuch.vcd
expect "a trace that does not exist" 2 'nosuch.vcd does not exist'
run trace check short.txt
expect "a name that is no trace" 2 'does not exist'
head -c 3000 t.vcd >cut.vcd
run trace check cut.vcd t.jsonl
expect "a file that is cut off" 1 '2 traces, 1 good, 1 bad'
expect "its place is told" 1 'cut.vcd:'
run trace convert t.jsonl.gz c.jsonl
expect "events become events" 0 'c.jsonl: '
verdict "the same ones" "$(cmp c.jsonl t.jsonl 2>&1)"
run trace convert t.jsonl c.pftrace
verdict "a timeline, as the run writes it" "$(cmp c.pftrace t.pftrace 2>&1)"
run trace convert t.jsonl c.json
verdict "for each viewer" "$(cmp c.json t.json 2>&1)"
run trace convert t.jsonl c.vcd
expect "a waveform" 0 'c.vcd: '
run trace convert t.jsonl c.jsonl
expect "nothing is overwritten" 2 'exists'
run trace convert t.jsonl c.jsonl --force --scope 'ioasid.*' --window 10us:40us
expect "but on demand, and in part" 0 '10 us to 40 us'
run trace convert t.pftrace x.jsonl
expect "a picture has no events" 2 'convert from .jsonl'
run trace convert t.vcd x.vcd --last 3
expect "nor has a waveform" 2 'choose among events'
sed '5s/"seq"/"sqe"/' t.jsonl >broken.jsonl
run trace convert broken.jsonl x.json
expect "a broken trace is told with its line" 1 'broken.jsonl:5: '
if [ -n "$fst" ]; then
    run trace convert t.vcd c.fst
    expect "VCD becomes FST" 0 'c.fst: '
    run trace convert c.fst back.vcd
    expect "and VCD again" 0 'back.vcd: '
    for at in 0ps 15us 30us 1ms; do
        "$ioasim" trace check t.vcd --at "$at" | grep '^ioasim\.' >before
        "$ioasim" trace check back.vcd --at "$at" | grep '^ioasim\.' >after
        verdict "with the values at $at" "$([ -s before ] && cmp before after 2>&1)"
    done
fi
finish
