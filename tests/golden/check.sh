#!/bin/bash
# Golden traces: every event of some small scenarios, as it was when somebody last looked at it. A
# run that makes other events is shown at the first line that differs, with the lines before it.
#
#   check.sh                        all of traces/golden
#   check.sh --update NAME...       runs these again and keeps what comes out; says what changed.
#                                   NAME: quickstart/spid_conflict (a new one: a scenario's path)
#
# The header's version and hash of the configuration are not compared: they change with parameters
# that a scenario does not use.
set -u
top=$(readlink -f "$(dirname "$(readlink -f "$0")")/../..")
ioasim=${IOASIM:-$top/build/release/ioasim}
golden=$top/traces/golden
context=3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# events NAME: the trace of a fresh run in $work/trace.jsonl.
events() {
    rm -f "$work"/trace*
    "$ioasim" run "$top/scenarios/$1.json" --no-files --force --quiet \
        --trace "$work/trace.jsonl" >"$work/said" 2>&1 && [ -f "$work/trace.jsonl" ] && return
    echo "$1 does not pass, or is more than one run:"
    tail -n 3 "$work/said"
    return 1
}

# shown FILE LINE: the line, cut to what a person can compare, after the lines before it.
shown() {
    awk -v at="$2" -v context="$context" 'NR >= at - context && NR <= at {
        printf "  %s %5d %s\n", NR == at ? ">" : " ", NR, substr($0, 1, 300)
        last = NR
    } END { if (last < at) printf "  > %5d (the trace ends)\n", at }' "$1"
}

# first_difference OLD NEW: the line of the first event that differs; nothing when there is none.
first_difference() {
    awk 'NR == FNR { old[NR] = $0; lines = NR; next }
        FNR > 1 && (FNR > lines || old[FNR] != $0) { print FNR; found = 1; exit }
        END { if (!found && FNR < lines) print FNR + 1 }' "$1" "$2"
}

if [ "${1:-}" = --update ]; then
    shift
    [ $# -gt 0 ] || { echo "check.sh: --update needs the names to update" >&2; exit 2; }
    for name in "$@"; do
        [ -f "$top/scenarios/$name.json" ] || {
            echo "check.sh: there is no scenario $name" >&2
            exit 2
        }
    done
    for name in "$@"; do
        file=$golden/${name//\//.}.jsonl
        events "$name" || exit 1
        [ ! -f "$file" ] || diff <(sed 1d "$file") <(sed 1d "$work/trace.jsonl") | cut -c 1-200
        mkdir -p "$golden"
        cp "$work/trace.jsonl" "$file"
        echo "$name: $(($(wc -l <"$file") - 1)) events kept"
    done
    exit 0
fi
[ $# -eq 0 ] || { echo "usage: check.sh [--update NAME...]" >&2; exit 2; }

passed=0 failed=0
for file in "$golden"/*.jsonl; do
    name=$(basename "$file" .jsonl)
    name=${name/.//}
    if ! "$ioasim" trace check "$file" >"$work/said" 2>&1; then
        echo "FAIL $name: $(head -n 1 "$work/said")"
        failed=$((failed + 1))
    elif ! events "$name"; then
        failed=$((failed + 1))
    else
        at=$(first_difference "$file" "$work/trace.jsonl")
        if [ -z "$at" ]; then
            passed=$((passed + 1))
            continue
        fi
        echo "FAIL $name: the first event that differs, as it was:"
        shown "$file" "$at"
        echo "and as it is:"
        shown "$work/trace.jsonl" "$at"
        echo "to keep it: tests/golden/check.sh --update $name"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ]
