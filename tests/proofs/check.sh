#!/bin/sh
# Every scenario that covers a row passes, and fails as its proof says when the mechanism it
# is about is broken. A case for each such scenario. Rows that nothing covers yet are counted, not
# failed: `ioasim coverage` lists them.
set -u
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 3
output=$("$IOASIM" coverage --prove)
code=$?
if [ "$code" -gt 1 ]; then
    echo "coverage ended with exit code $code"
    exit 1
fi
printf '%s\n' "$output" | grep '^PROOF BROKEN'
held=$(printf '%s\n' "$output" | grep -c '^proof holds')
broken=$(printf '%s\n' "$output" | grep -c '^PROOF BROKEN')
echo "$held passed, $broken failed"
[ "$broken" -eq 0 ]
