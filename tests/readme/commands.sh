#!/bin/bash
# The commands of README.md that are marked: blocks that open with ```sh run
#   commands.sh list     a line for each: its number and its first line
#   commands.sh run N    runs block N in a fresh folder that holds the project's folders
set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")

block() {
    awk -v wanted="$1" '/^```sh run$/ { inside = 1; count++; next }
        /^```/ { inside = 0 }
        inside && count == wanted { print }' "$top/README.md"
}

case ${1:-} in
list)
    count=$(grep -c '^```sh run$' "$top/README.md")
    for ((i = 1; i <= count; i++)); do
        printf '%d %s\n' "$i" "$(block "$i" | head -n 1)"
    done
    ;;
run)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    for entry in core models scenarios tests tools traces; do
        ln -s "$top/$entry" "$work/$entry"
    done
    cd "$work" && bash -eu -o pipefail -c "$(block "$2")" </dev/null
    ;;
*) exit 2 ;;
esac
