#!/bin/bash
# What README.md, the manual of the scenario language and the guides of folders show, done. Blocks
# that open with ```sh run are commands; those that open with ```json NAME are files that they use;
# the lines of ```text shown are among what the commands before it print, in this order (... stands
# for anything).
#   commands.sh list     a line for each case: its name and what it begins with
#   commands.sh run N    runs that case in a fresh folder that holds the project's folders
set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
documents=(README.md scenarios/README.md scenarios/quickstart/README.md models/README.md
    traces/README.md tests/README.md tools/README.md)

blocks() { grep -c '^```sh run$' "$top/$1"; }
block() { # DOCUMENT NUMBER
    awk -v wanted="$2" '/^```sh run$/ { inside = 1; count++; next }
        /^```/ { inside = 0 }
        inside && count == wanted { print }' "$top/$1"
}
shown() { # DOCUMENT NUMBER
    awk -v wanted="$2" '/^```sh run$/ { count++ }
        /^```text shown$/ { inside = 1; next }
        /^```/ { inside = 0 }
        inside && count == wanted { print }' "$top/$1"
}
files() { # DOCUMENT: writes its files into the current folder
    awk '/^```json [a-z_]+\.jsonc?$/ { file = $2; next }
        /^```/ { file = "" }
        file != "" { print > file }' "$top/$1"
}

case ${1:-} in
list)
    for document in "${documents[@]}"; do
        for ((i = 1; i <= $(blocks "$document"); i++)); do
            printf '%s:%d %s\n' "$document" "$i" "$(block "$document" "$i" | head -n 1)"
        done
    done
    echo "scenarios/README.md:snippets every step and expectation shown is valid"
    echo "scenarios/README.md:keys every key of the language is told"
    ;;
run)
    document=${2%:*}
    number=${2##*:}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work" || exit 1
    PATH=$(dirname "$IOASIM"):$PATH
    case $number in
    snippets | keys) python3 "$top/tests/readme/manual.py" "$number" "$top/$document" "$IOASIM" ;;
    *)
        for entry in core models scenarios tests tools traces; do
            ln -s "$top/$entry" "$work/$entry"
        done
        files "$document"
        bash -eu -o pipefail -c "$(block "$document" "$number")" </dev/null >said ||
            { code=$? && cat said && exit "$code"; }
        cat said
        shown "$document" "$number" >claimed
        python3 "$top/tests/readme/shown.py" claimed said
        ;;
    esac
    ;;
*) exit 2 ;;
esac
