#!/bin/sh
# Is each seeded defect of the models noticed within 1,000 runs of the scenarios that reach it, and
# are there enough that only exploration finds? A case for each mutant, and one for their number.
set -u
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 3
table=$(mktemp)
trap 'rm -f "$table"' EXIT
"$IOASIM" campaign mutants scenarios --runs 1000 --quiet >"$table"
code=$?
if [ "$code" -gt 1 ]; then
    echo "campaign mutants ended with exit code $code"
    exit 1
fi
grep MISSED "$table"
sed -n '/fail without a mutant/,/^[0-9]* mutants:/p' "$table" | sed '$d'
last=$(tail -n 1 "$table")
echo "note: $last"
number() { printf '%s\n' "$last" | sed -n "s/.*[^0-9]\([0-9]*\) $1.*/\1/p"; }
all=${last%% *}
missed=$(number missed)
explored=$(number 'by exploration')
failed=$missed
passed=$((all - missed))
if [ "$all" -ge 80 ] && [ "$explored" -ge 20 ]; then
    passed=$((passed + 1))
else
    echo "$all mutants, $explored found by exploration alone: too few"
    failed=$((failed + 1))
fi
if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
