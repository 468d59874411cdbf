#!/bin/bash
# Opens a Chrome trace in speedscope, in headless Chromium: it is imported without a complaint about
# slices that do not nest, and the tracks have the names that we gave.
# usage: check_speedscope.sh FILE.json   exit 0: accepted; 1: a complaint; 77: a tool is missing
set -u
here=$(dirname "$(readlink -f "$0")")
folder=${build:-$here/../../build/release}/viewers
for tool in chromium node npm; do
    command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 77; }
done
site=$folder/node_modules/speedscope/dist/release
if [ ! -f "$site/index.html" ]; then
    mkdir -p "$folder"
    cp "$here/speedscope/package.json" "$here/speedscope/package-lock.json" "$folder"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund >"$folder/log" 2>&1 || {
        echo "speedscope cannot be fetched: $(tail -n 1 "$folder/log")" >&2
        exit 77
    }
fi
# A browser that starts on a busy machine may lose its first page.
for _ in 1 2; do
    said=$(timeout 90 node "$here/speedscope/open.mjs" "$site" "$1")
    grep -q 'console: import: ' <<<"$said" && break
done
failed=0
complain() { echo "check_speedscope.sh: $1: $2" >&2; failed=1; }
grep -q 'console: Importing as Trace Event Format' <<<"$said" || complain "$1" "not imported"
grep -q 'console: import: ' <<<"$said" || complain "$1" "the import did not end"
grep -E 'Tried to end|was still open' <<<"$said" | head -n 3 | cut -c 1-200 |
    while read -r line; do complain "$1" "$line"; done
! grep -qE 'Tried to end|was still open' <<<"$said" || failed=1
# The first profile in the list is a track of ours, under the name of its group.
grep -qE '(dsa0|host|processors|locks|run|IOASIDs of host) \(pid [0-9]+\), ' <<<"$said" ||
    complain "$1" "no track has its name"
[ "$failed" -eq 0 ] && echo "speedscope shows $(grep -m 1 -o '[a-zA-Z0-9 ]* (pid .*' <<<"$said")"
exit "$failed"
