#!/bin/bash
# Is every option carried out or refused, and does a refusal name all that is wrong, once?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
two=$top/scenarios/quickstart/two_vms.json
sva=$top/scenarios/quickstart/one_process_sva.json
"$ioasim" run "$sva" --no-files --quiet --trace good.jsonl >/dev/null 2>&1
# often TEXT N: the last run said it so often.
often() {
    verdict "says \"$1\" $2 times" "$([ "$(cat o e | grep -cF -- "$1")" = "$2" ] || cat o e)"
}

# --- all at once, and each once -------------------------------------------------------------------

run run short.json --no-files --report foo=- --report junit --report =x --report junit=
expect "reports" 2 'no report format "foo"'
often 'E0801' 4
run campaign run short.json --runs 1 --out c --report foo=- --report bar=-
expect "reports of a campaign" 2 'no report format "foo"'
often 'no report format' 2
for verb in "compare" "trace diff"; do
    # shellcheck disable=SC2086
    run $verb "$two" --a xx=1 --b yy=2
    expect "$verb: both sides" 2 '"xx" is no key'
    expect "$verb: both sides, the second" 2 '"yy" is no key'
    # shellcheck disable=SC2086
    run $verb "$two" --defect-a nix1 --defect-b nix2
    expect "$verb: defects of both sides" 2 'no seeded defect "nix1"'
    expect "$verb: defects of both sides, the second" 2 'no seeded defect "nix2"'
done
run trace diff "$two" --defect-b nix --defect nix2
often 'no seeded defect "nix2"' 1
sed 's/"expect": .*/"expect": []}/' short.json >nothing.json
run compare nothing.json
often 'E0601' 1
run explore nothing.json
often 'E0601' 1
sed 's|"expect"|"inject": [{"at": "1us", "fault": ""}], "expect"|' short.json >empty.json
run validate empty.json
often 'error[' 1
sed 's|"expect"|"inject": [{"at": "1us", "fault": "cpu.hog", "by": "1e308s"}], "expect"|' \
    short.json >endless.json
run validate endless.json
often 'error[' 1

# --- carried out, or refused ----------------------------------------------------------------------

run run short.json --no-files --trace-window 1us:2us
expect "a window of no trace" 2 'what goes into traces was chosen, and none is written'
run run short.json --no-files --trace-limit 1MiB
expect "a limit of no trace" 2 'none is written'
run run short.json --no-files --trace-on-failure
expect "the failure of no trace" 2 '--trace FILE names one'
run run short.json --no-files --trace s.jsonl --trace-scope nix
expect "a scope that nothing is in" 0 'only nix, and nothing of this run is named so'
run run short.json --no-files --trace-window abc: --trace w.jsonl
often '"abc"' 1
run trace explain good.jsonl --life 1
expect "a life of what" 2 '--life is about the life of an IOASID'
run trace explain good.jsonl --kernel vm1
expect "the kernel of what" 2 '--ioasid N says of which'
run trace explain good.jsonl --device dsa0
expect "the device of what" 2 '--descriptor N says of which'
run trace explain good.jsonl --vm ''
expect "a machine without a name" 2 '--vm'
run trace query good.jsonl --count --limit 2
expect "a limit of one number" 2 '--by FIELD makes rows of it'
run trace query good.jsonl --count --format csv
expect "a table of one number" 2 '--by FIELD makes rows of it'
run trace query good.jsonl --count --by event --limit 2 --format csv
expect "rows have both" 0 'count,event'
run trace query good.jsonl --count --fields time
expect "fields of a count" 2 '--count shows no event'
run trace query good.jsonl --where refs=abc
expect "a number that is none" 2 'refs is always a number, "abc" is none'
run trace query good.jsonl --where 'refs=*' --count
expect "a pattern is no number" 0 ''
run shrink failing.json --out noext
expect "a scenario ends in .json" 2 'scenarios end in .json'
verdict "and is not written" "$([ ! -e noext ] || echo "it is")"

# --- what is refused says what there is -----------------------------------------------------------

run explain E0303 5
expect "a code stands alone" 2 '"E0303" stands alone, without "5"'
run explain profile zz
expect "a profile" 2 '"spr"'
run explain fault 0xfff
expect "a reason" 2 'nothing is known about "fault 0xfff"'
run validate nosuch.json --format json
expect "a file that is not there has no lines" 2 'cannot open'
verdict "and none is named" "$(grep '"line"' o)"
sed 's|"expect"|"inject": [{"at": "1us", "fault": "host/appp.kill"}], "expect"|' \
    short.json >app.json
run validate app.json
expect "a process that is near" 2 'did you mean "host/app.kill"?'

# --- junk behind a file ---------------------------------------------------------------------------

if "$ioasim" run "$sva" --no-files --quiet --trace good.fst >/dev/null 2>&1; then
    run trace check good.fst
    expect "a waveform" 0 '1 good'
    for junk in junk '\0\0\0' '\x03junkjunkjunkjunk'; do
        cp good.fst junk.fst
        printf "$junk" >>junk.fst # shellcheck disable=SC2059
        run trace check junk.fst
        expect "with junk behind it" 1 'no FST file, or not whole: no block begins at byte '
    done
fi
finish
