#!/bin/bash
# Does the command line keep its word when things go wrong: nothing that was there is lost, nothing
# is green for want of something to look at, and every refusal names what it refuses?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
quickstart=$top/scenarios/quickstart
fst=.fst
"$ioasim" run short.json --no-files --trace probe.fst >o 2>e || fst=
sva=$quickstart/one_process_sva.json
"$ioasim" run "$sva" --no-files --quiet --trace good.jsonl --trace good.jsonl.gz >/dev/null 2>&1

same() { # NAME FILE FILE
    verdict "$1" "$(cmp "$2" "$3" 2>&1)"
}

# --- what was there stays -------------------------------------------------------------------------

cp good.jsonl kept.jsonl
ln good.jsonl hard.jsonl
run trace convert good.jsonl hard.jsonl --force
expect "a hard link of the source is the source" 2 'would overwrite the trace that it is made of'
same "and stays as it was" good.jsonl kept.jsonl
rm hard.jsonl
cp short.json before.json
ln short.json hard.json
run run short.json --no-files --trace hard.json --force
expect "a hard link of the scenario is the scenario" 2 'would overwrite the scenario'
same "which stays, too" short.json before.json
rm hard.json

cp good.jsonl old.jsonl
sed '100s/"seq"/"sqe"/' good.jsonl >broken.jsonl
run trace convert broken.jsonl old.jsonl --force
expect "what cannot be read replaces nothing" 1 'broken.jsonl:100: '
same "the older file stays" old.jsonl good.jsonl
run run failing.json --no-files --trace failed.jsonl --trace-on-failure
cp failed.jsonl failed.before
run run short.json --no-files --trace failed.jsonl --trace-on-failure --force
expect "a run that passes keeps no trace" 0 'not kept, the run passed; the older one stays'
same "but that of the failure" failed.jsonl failed.before
run run short.json --no-files --trace fresh.jsonl --trace-on-failure
verdict "and leaves none" "$([ ! -e fresh.jsonl ] || echo "there is one")"
chmod 640 old.jsonl
run run short.json --no-files --trace old.jsonl --trace old.vcd --force
expect "a trace is replaced when it is whole" 0 'old.jsonl: '
verdict "with its permissions" "$([ "$(stat -c %a old.jsonl)" = 640 ] || stat -c %a old.jsonl)"
run run short.json --no-files --trace old.jsonl --trace old.vcd --force
expect "a waveform, too" 0 'gtkwave old.gtkw'
run trace check old.vcd old.jsonl
expect "both are good" 0 '2 good'
ln -s old.jsonl link.jsonl
run run "$sva" --no-files --trace link.jsonl --force
same "through a link" old.jsonl good.jsonl
verdict "which stays one" "$([ -L link.jsonl ] || echo "it is none")"
verdict "nothing is left beside them" "$(find . -name '*.part')"

# --- a full disk ----------------------------------------------------------------------------------

if mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
    cp short.json small/o.jsonl
    run run "$sva" --no-files --trace small/o.jsonl --force
    expect "a full disk" 3 'OUTPUT LOST'
    same "leaves what was there" small/o.jsonl short.json
    run trace convert good.jsonl small/c.jsonl
    expect "a conversion is lost with a code" 3 'error[E0803]'
    rm -f small/c.jsonl
    head -c 65536 /dev/zero >small/fill 2>/dev/null
    if [ -n "$fst" ]; then
        run run "$sva" --no-files --trace small/w.fst --trace whole.jsonl --trace whole.vcd
        expect "a waveform that finds no room" 3 'verdict PASS'
        same "costs no other trace" whole.jsonl good.jsonl
        run trace check whole.vcd
        expect "of whatever format" 0 '1 good'
        run trace convert whole.vcd small/w.fst --force
        expect "nor does it end a conversion" 3 'No space left on device'
        verdict "nothing is left of it" "$(find . -name '*.hier')"
    fi
    umount small
fi
if [ -n "$fst" ]; then
    (
        ulimit -f 8
        timeout 60 "$ioasim" run "$sva" --no-files --trace limited.fst --trace limited.jsonl
    ) >o 2>e </dev/null
    code=$?
    expect "files that may not grow" 3 'limited.jsonl: File too large'
    verdict "are no crash" "$(grep -h 'INTERNAL' o e)"
fi

# --- signals --------------------------------------------------------------------------------------

# ended_at SIGNAL CODE ARGUMENTS: reads slow.jsonl, which never ends, until the signal comes.
ended_at() {
    local feeder
    rm -f slow.jsonl
    mkfifo slow.jsonl
    { while IFS= read -r line; do
        echo "$line" && sleep 0.1
    done <good.jsonl >slow.jsonl; } 2>/dev/null &
    feeder=$!
    asked_to_end "$1" "$2" '' "${@:3}"
    kill "$feeder" 2>/dev/null
    { wait "$feeder"; } 2>/dev/null
}
ended_at INT 130 trace query slow.jsonl
ended_at TERM 143 trace explain slow.jsonl
ended_at INT 130 trace check slow.jsonl
ended_at INT 130 trace diff slow.jsonl good.jsonl
cp failed.jsonl there.jsonl
ended_at TERM 143 trace convert slow.jsonl there.jsonl --force
same "and leaves what was there" there.jsonl failed.jsonl
ended_at INT 130 report slow.jsonl -o slow.html
verdict "and writes nothing" "$([ ! -e slow.html ] || echo "there is a page")"
rm -f slow.jsonl

# --- results of campaigns -------------------------------------------------------------------------

mkdir -p none
run campaign merge none
expect "no results are no success" 2 '"none" holds no results of a campaign'
run campaign merge "$quickstart"
expect "nor are scenarios" 2 'holds no results of a campaign'
run campaign merge short.json
expect "nor is a file" 2 'short.json: Not a directory'
run campaign run failing.json --runs 2 --out c --report json=c.json
expect "a campaign that fails" 1 '2 failed'
verdict "what its results do not tell is left out" \
    "$(grep -E '"(expectations|checkers|seq|who)"' c.json)"
result=$(find c -name '*-1.json' | head -n 1)
for what in "ln -s /dev/zero" "mkfifo" "mkdir" "ln -s loop.json"; do
    cp -r c odd
    odd=odd/${result#c/}
    rm "$odd"
    (cd "$(dirname "$odd")" && rm -f loop.json && $what "$(basename "$odd")")
    limit=20 run campaign merge odd
    expect "$what is no result" 2 '1 run: 0 passed, 1 failed, 1 not readable'
    rm -r odd
done
cp -r c odd
sed -i 's/"exit_code": [0-9]*/"exit_code": "zero"/' "odd/${result#c/}"
run campaign merge odd
expect "nor is one without numbers" 2 '1 not readable'
ln -s loop odd/loop
run report odd
expect "a link to itself is no folder" 0 'report.html'

# --- what is refused is named ---------------------------------------------------------------------

for value in 0 -1 abc "" 18446744073709551616; do
    run trace explain good.jsonl --fault "$value"
    expect "--fault \"$value\"" 2 'is no whole number from 1 to'
done
run trace explain good.jsonl --at abc
expect "--at abc" 2 '--at: "abc" '
run trace explain good.jsonl --ioasid 1 --vm vm1
expect "two things at once" 2 '--vm'
verdict "are no unknown option" "$(grep 'has no' e)"
run report good.jsonl --seed 3
expect "a trace has no seed to choose" 2 '--seed, --run, --set and --defect are for scenarios'
run report "$sva" --trace nix.jsonl
expect "a scenario makes its own trace" 2 '--trace nix.jsonl'
run campaign submit "$sva" --runs 4 --shards 2 --engine slurm --out $'x\ntouch pwned' --print
expect "a name that ends a line of a script" 2 'a job script cannot hold this name'
run campaign submit "$sva" --runs 4 --shards 2 --engine parallel --out y --print \
    --option '--x=a b;c'
expect "an option is no command" 0 "--x=a 'b;c'"

# --- damaged traces -------------------------------------------------------------------------------

head -c 20000 good.jsonl >cut.jsonl
run trace query cut.jsonl --count
expect "a trace that is cut off is read as far as it goes" 0 'the last line is cut off; known are'
run trace convert cut.jsonl cut.vcd
expect "and converted" 0 'the last line is cut off; used are'
run trace check cut.vcd
expect "into a good one" 0 '1 good'
run report cut.jsonl -o cut.html
expect "and reported, with a word" 0 'warning: cut.jsonl: The trace breaks off in line'
head -c 5000 good.jsonl.gz >cut.jsonl.gz
run trace query cut.jsonl.gz --count
expect "compressed or not" 0 'the compressed data is cut off; known are'
run trace query broken.jsonl --count
expect "but not beyond damage" 2 'broken.jsonl:100: '
head -n 1 good.jsonl >empty.jsonl
echo '{"seq":' >>empty.jsonl
run report empty.jsonl
expect "of nothing there is no report" 2 'empty.jsonl:2: '
run trace check nix.jsonl good.jsonl cut.jsonl
expect "a missing trace does not hide the others" 2 '3 traces, 1 good, 1 bad, 1 not checked'
cp good.jsonl plain.jsonl.gz
run trace check plain.jsonl.gz
expect "what is not compressed" 1 'it is not compressed'
sed '2s/"time_ps":[0-9]*/"time_ps":18446744073709551615/;3,$d' good.jsonl >never.jsonl
run trace check never.jsonl
expect "a time behind all others" 1 'is none that an event can have'
finish
