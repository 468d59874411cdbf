#!/bin/bash
# Is every wrong scenario refused at once, with the message that it deserves? Each bad/NAME.json has
# a bad/NAME.expected: what stderr must hold, to the byte. Files that are too big or too odd to keep
# are made here. With --update the .expected files are written anew (look at what changed).
set -u
here=$(dirname "$(readlink -f "$0")")
ioasim=${IOASIM:-$here/../../build/release/ioasim}
update=false
[ "${1:-}" = --update ] && update=true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

verdict() { # NAME PROBLEM
    if [ -z "$2" ]; then
        echo "ok $1"
        passed=$((passed + 1))
    else
        echo "FAIL $1: $2"
        failed=$((failed + 1))
    fi
}

# refuse NAME FOLDER FILE: leaves stderr in $work/stderr and says what is wrong in $problem.
refuse() {
    problem=
    (cd "$2" && ulimit -v 1500000 && exec timeout 10 "$ioasim" validate "$3") \
        >"$work/stdout" 2>"$work/stderr" </dev/null
    local code=$?
    [ "$code" -eq 2 ] || problem="exit code $code, not 2"
}

for file in "$here"/bad/*.json; do
    name=$(basename "$file" .json)
    refuse "$name" "$here/bad" "$name.json"
    if $update; then
        cp "$work/stderr" "$here/bad/$name.expected"
    elif [ -z "$problem" ] &&
        ! diff -u "$here/bad/$name.expected" "$work/stderr" >"$work/diff"; then
        problem="another message than $name.expected"
        cat "$work/diff"
    fi
    verdict "$name" "$problem"
done

# made NAME TEXT: refuses $work/NAME with a message that begins like TEXT.
made() {
    refuse "$1" "$work" "$1"
    if [ -z "$problem" ] && [[ $(head -n 1 "$work/stderr") != "$2"* ]]; then
        problem="says: $(head -n 1 "$work/stderr")"
    fi
    verdict "made: $1" "$problem"
}

truncate -s 1G "$work/gigabyte.json"
made gigabyte.json 'gigabyte.json: error[E0104]: "gigabyte.json" has 1073741824 bytes; the limit'
head -c 10000 /dev/zero | tr '\0' '[' >"$work/nested.json"
made nested.json 'nested.json:1:65: error[E0109]: more than 64 levels of nesting'
{ printf '{"a": ['; for ((i = 0; i < 500000; i++)); do printf '0,'; done; printf '0]}'; } \
    >"$work/values.json"
made values.json 'values.json:1:'
mkdir "$work/folder.json"
made folder.json 'folder.json: error[E0102]: "folder.json" is a folder, not a file'
made missing.json 'missing.json: error[E0101]: cannot open "missing.json": No such file'
mkfifo "$work/pipe.json"
made pipe.json 'pipe.json: error[E0102]: "pipe.json" is not a regular file'
ln -s /dev/zero "$work/zero.json"
made zero.json 'zero.json: error[E0102]: "zero.json" is not a regular file'
ln -s loop.json "$work/loop.json"
made loop.json 'loop.json: error[E0101]: cannot open "loop.json": Too many levels of symbolic links'
{ printf '{"version": 1'; for ((i = 0; i < 5000; i++)); do printf ',\n"k%d": 1,}' "$i"; done; } \
    >"$work/mistakes.json"
made mistakes.json 'mistakes.json:'
{ printf '['; for ((i = 0; i < 60000; i++)); do printf '[1,],\n'; done; printf '0]'; } \
    >"$work/commas.json"
made commas.json 'commas.json:1:4: error[E0108]'
if [ "$(id -u)" -ne 0 ]; then
    echo '{}' >"$work/secret.json"
    chmod 000 "$work/secret.json"
    made secret.json 'secret.json: error[E0101]: cannot open "secret.json": Permission denied'
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
