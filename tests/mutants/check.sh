#!/bin/sh
# Is each seeded defect of the models still noticed by the run that the table in README.md names, or
# by another one, and are there enough that only exploration finds? A case for each mutant, one for
# the table and one for their number.
set -u
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 3
output=$(mktemp)
trap 'rm -f "$output"' EXIT
"$IOASIM" campaign mutants scenarios --check tests/mutants/README.md --quiet >"$output"
code=$?
if [ "$code" -gt 1 ]; then
    echo "campaign mutants ended with exit code $code"
    exit 1
fi
grep MISSED "$output"
sed -n '/^not in the table:/,/^[0-9]* mutants:/p' "$output" | sed '$d'
sed -n '/^in the table, but no mutants:/,/^[0-9]* mutants:/p' "$output" | sed '$d'
moved=$(sed -n '/^not as the table says:/,/^[^ ]/p' "$output" | grep -c '^  ')
last=$(tail -n 1 "$output")
echo "note: $last"
[ "$moved" -eq 0 ] || echo "note: $moved of them not where the table says"
number() { printf '%s\n' "$last" | sed -n "s/.*[^0-9]\([0-9]*\) $1.*/\1/p"; }
all=${last%% *}
missed=$(number missed)
explored=$(number 'by exploration')
failed=$missed
passed=$((all - missed))
case_of() { if [ "$1" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }
grep -q -e '^not in the table:' -e '^in the table, but no mutants:' "$output"
case_of $(($? == 0))
[ "$all" -ge 80 ] && [ "$explored" -ge 20 ]
enough=$?
[ "$enough" -eq 0 ] || echo "$all mutants, $explored found by exploration alone: too few"
case_of "$enough"
if [ "$code" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
