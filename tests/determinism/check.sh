#!/bin/sh
# check.sh SCENARIO [OTHER_SIMULATOR]: the traces of a scenario are the same bytes when it runs
#   again from another folder;
#   among bystander modules, with the platform built in a shuffled order;
#   or, with OTHER_SIMULATOR, in that one (another build type).
# IOASIM names the simulator. A scenario's own verdict is no matter here: only its bytes are.
set -u
scenario=$1
other=${2:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# trace FOLDER SIMULATOR OPTIONS...: runs from FOLDER, leaves its traces and its exit code there.
trace() {
    folder="$work/$1"
    simulator=$2
    shift 2
    mkdir -p "$folder"
    (cd "$folder" && "$simulator" run "$scenario" --out result --trace trace.jsonl \
        --trace trace.vcd "$@" >stdout 2>stderr
        echo $? >code)
    # What the run left beside its traces may name its folder.
    rm -rf "$folder/result"
    if [ "$(cat "$folder/code")" -gt 1 ]; then
        cat "$folder/stderr"
        echo "exit $(cat "$folder/code") in the run '$*'"
        exit 1
    fi
}

# same A B: a matrix makes a trace for each of its cells.
same() {
    (cd "$work/$1" && find . -name 'trace*' | sort) >"$work/list-$1"
    (cd "$work/$2" && find . -name 'trace*' | sort) >"$work/list-$2"
    cmp "$work/list-$1" "$work/list-$2" || exit 1
    [ "$(wc -l <"$work/list-$1")" -ge 2 ] || { echo "no traces were made" && exit 1; }
    while read -r file; do
        [ -s "$work/$1/$file" ] || { echo "$file is empty" && exit 1; }
        cmp "$work/$1/$file" "$work/$2/$file" || exit 1
    done <"$work/list-$1"
    cmp "$work/$1/code" "$work/$2/code" || exit 1
}

trace first "$IOASIM"
if [ -n "$other" ]; then
    trace other "$other"
    same first other
    exit 0
fi
trace elsewhere "$IOASIM"
same first elsewhere
trace shuffled "$IOASIM" --bystanders 3 --shuffle 7
same first shuffled
