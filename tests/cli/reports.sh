#!/bin/bash
# Can other programs read our reports: JUnit, KTAP, JSON, annotations of GitHub?
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# A name and a purpose full of what formats choke on. The JSON reader has refused bare control
# characters; escaped ones are text like any other.
cat >odd.json <<'END'
{"version": 1, "name": "odd",
 "purpose": "<b>&\"' ]]> \u001b[31mred\u001b[0m \u0000\u0001\u0007\u007f\uffff % , : # é",
 "programs": [{"on": "host", "process": "app", "steps": [{"alloc": "A"}, {"free": "A"}]}],
 "expect": [{"event": "ioasid.alloc", "count": 2,
             "why": "<b>&\"' ]]> \u001b[31mred\u001b[0m \u0000\u0001\u0007\u007f\uffff % # é"},
            {"invariants": "hold"}]}
END
many() { # FAILURES: a scenario with so many failing expectations
    printf '{"version": 1, "name": "many", "purpose": "fails often", "programs": [{"on": "host",'
    printf '"process": "app", "steps": [{"alloc": "A"}, {"free": "A"}]}], "expect": ['
    for ((i = 2; i < $1 + 2; i++)); do printf '\n{"event": "ioasid.alloc", "count": %d},' $i; done
    printf '{"invariants": "hold"}]}\n'
}
many 12 >many.json

with() { # PROGRAM NAME COMMAND...: a case where the program is there
    if command -v "$1" >/dev/null; then
        verdict "$2" "$("${@:3}" 2>&1 >/dev/null | head -n 3)"
    fi
}

# --- several at once ----------------------------------------------------------------------------

run run short.json failing.json odd.json --no-files --report junit=j.xml --report json=j.json \
    --report ktap=k.tap --report github=g.txt
expect "four reports of three runs" 1 '3 runs: 1 passed, 2 failed'
with xmllint "JUnit is well-formed" xmllint --noout j.xml
verdict "a failure begins with the command that repeats it" \
    "$(grep -qE '<failure [^>]*>ioasim run failing.json --seed 1 ' j.xml || cat j.xml)"
verdict "no control character is left" "$(tr -d '\n\t' <j.xml | grep -aP '[\x00-\x1f\x7f]')"
verdict "nor an escape" "$(grep -aF $'\033' j.xml k.tap g.txt)"
verdict "letters beyond ASCII are" "$(grep -qF 'é' j.xml || echo 'no é')"
verdict "one result a run" "$([ "$(grep -c '<testcase ' j.xml)" = 3 ] || cat j.xml)"
python3 - j.json >told.txt 2>&1 <<'END'
import json, sys
report = json.load(open(sys.argv[1]))
assert report["format"] == "ioasim-report/1", report["format"]
assert (report["passed"], report["failed"]) == (1, 2)
assert [r["exit_code"] for r in report["runs"]] == [0, 1, 1]
assert report["runs"][1]["reproduce"].startswith("ioasim run failing.json --seed 1")
END
verdict "JSON tells the same" "$(tail -n 1 told.txt)"
"$ioasim" schema report >report.schema.json
verdict "its schema is the one kept beside the scenarios'" \
    "$(diff report.schema.json "$top/scenarios/schema/report.schema.json")"
matches() { # REPORT: fits the schema, and the schema refuses what is none
    python3 - report.schema.json "$1" <<'END'
import json, sys
try:
    import jsonschema
except ImportError:
    sys.exit(0)
schema, report = (json.load(open(name)) for name in sys.argv[1:])
jsonschema.Draft7Validator.check_schema(schema)
check = jsonschema.Draft7Validator(schema)
for error in check.iter_errors(report):
    print(error.json_path, error.message[:200])
for wrong in ({**report, "passed": "1"}, {**report, "more": 1}, {**report, "runs": [{}]}):
    if check.is_valid(wrong):
        print("accepted", sorted(wrong))
END
}
verdict "the JSON report fits it" "$(matches j.json)"

# --- KTAP ---------------------------------------------------------------------------------------

run run short.json failing.json --no-files --report ktap=-
expect "KTAP has standard output to itself" 1 'not ok 2 failing.short seed 1'
verdict "nothing else is there" "$(grep -vE '^(KTAP version 1|1\.\.2|(not )?ok |#)' o)"
verdict "the command stands before the result" \
    "$(grep -B9 '^not ok 2' o | grep -q '^# ioasim run failing.json' || cat o)"
cp o two.tap
"$ioasim" run short.json --no-files --report ktap=good.tap >/dev/null
cat >show.sh <<'END'
cat "$1"
END
with prove "prove reads a good one" prove --exec 'bash show.sh' good.tap
verdict "and a bad one as bad" "$(command -v prove >/dev/null || exit 0
    prove --exec 'bash show.sh' two.tap >p 2>&1 && echo 'prove says good'
    grep -q 'Failed test:  2$' p || cat p)"

# --- GitHub -------------------------------------------------------------------------------------

run run many.json --no-files --report github=-
expect "annotations stand beside the summary" 1 'many: FAIL'
verdict "as many as a step shows" "$([ "$(grep -c '^::error ' o)" = 10 ] || grep -c '^::error ' o)"
place='file=many.json,line=2,col=1,title=many seed 1%3A FAIL'
verdict "at their lines" \
    "$(grep -q "^::error $place::" o || grep '^::error' o | head -n 1)"
verdict "the last one tells of the others" "$(grep '^::error ' o | tail -n 1 |
    grep -q 'title=3 more failures::1 of 1 run failed' || grep '^::error' o | tail -n 1)"
many 9 >nine.json
run run nine.json --no-files --report github=-
verdict "which are none up to nine" "$(grep -q 'more failures' o && cat o)"
verdict "the command is in each" \
    "$([ "$(grep -c '%0Aioasim run nine.json --seed 1' o)" = 9 ] || cat o)"
echo before >summary.md
GITHUB_STEP_SUMMARY=summary.md run run many.json short.json --no-files --report github=-
verdict "the job's summary has all, behind what stands there" "$(
    grep -q '^before$' summary.md && grep -q '### ioasim: 2 runs, 1 passed, 1 failed' summary.md &&
        [ "$(grep -c '^    many.json:' summary.md)" -ge 12 ] || cat summary.md)"
GITHUB_STEP_SUMMARY=/dev/full run run failing.json --no-files --report github=-
expect "a summary that is lost" 3 'cannot write /dev/full'
GITHUB_ACTIONS=true run run failing.json --no-files
verdict "without being asked there is none" "$(grep '^::' o)"

# --- what is wrong ------------------------------------------------------------------------------

run run short.json --no-files --report tap=-
expect "an unknown format" 2 'no report format "tap": there are json, junit, ktap and github'
run run short.json --no-files --report ktap=- --report junit=-
expect "standard output holds one" 2 'standard output holds one report'
run run short.json --no-files --format json --report ktap=-
expect "or the results" 2 'standard output holds one report'
for format in json junit ktap github; do
    run run failing.json --no-files --report $format=/dev/full --quiet
    expect "a $format report that is lost" 3 'cannot write /dev/full: No space left on device'
done
"$ioasim" run short.json --no-files --report ktap=- >/dev/full 2>e
code=$?
: >o
expect "on standard output, too" 3 'standard output'

# --- campaigns ----------------------------------------------------------------------------------

run campaign run short.json failing.json --runs 6 --seed 3 -j 2 --out c --report ktap=c.tap \
    --report junit=c.xml --report json=c.json --report github=c.txt
expect "a campaign has reports" 1 '6 runs of 2 scenarios: 3 passed, 3 failed'
with xmllint "of all runs" xmllint --noout c.xml
verdict "in the order of scenario and number" \
    "$(grep -oE 'ok [0-9].*' c.tap | tr '\n' ';' | grep -qF \
        'ok 1 failing.short seed 3;ok 2 failing.short seed 3 run 1;' || cat c.tap)"
verdict "each failure has its command" \
    "$([ "$(grep -c '^# ioasim run failing.json --seed 3' c.tap)" = 3 ] || cat c.tap)"
verdict "JSON fits the schema" "$(matches c.json)"
run campaign merge c --report ktap=m.tap --report junit=m.xml
expect "so has a merge" 1 '6 runs: 3 passed, 3 failed'
verdict "the same" "$(diff c.tap m.tap; diff c.xml m.xml)"
run campaign merge c --report ktap=-
verdict "on standard output alone" "$(grep -vE '^(KTAP version 1|1\.\.6|(not )?ok |#)' o)"
run campaign merge c --report ktap=m.tap
expect "nothing is overwritten" 2 'm.tap exists'
run campaign merge c --report ktap=/dev/full
expect "a report of a merge that is lost" 3 'cannot write /dev/full'
run campaign run short.json --runs 1 --out c2 --report json=/dev/full
expect "or of a campaign" 3 'cannot write /dev/full'

finish
