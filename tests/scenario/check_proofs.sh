#!/bin/bash
# Does every scenario that covers a row pass, and fail as its proof says when its mechanism is
# broken?
# Open rows are no failure here: `ioasim coverage` lists them.
set -u
here=$(dirname "$(readlink -f "$0")")
ioasim=${IOASIM:-$here/../../build/release/ioasim}
cd "$here/../.." || exit 1
output=$("$ioasim" coverage --prove 2>&1)
code=$?
if [ "$code" -gt 1 ]; then
    echo "$output"
    echo "coverage --prove ended with $code"
    exit 1
fi
grep '^PROOF BROKEN' <<<"$output"
[[ $(tail -n 1 <<<"$output") =~ proofs:\ ([0-9]+)\ held,\ ([0-9]+)\ broken ]] || {
    echo "$output"
    exit 1
}
held=${BASH_REMATCH[1]}
broken=${BASH_REMATCH[2]}
echo "$held passed, $broken failed"
[ "$broken" -eq 0 ] && [ "$held" -gt 0 ]
