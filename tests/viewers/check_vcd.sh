#!/bin/sh
# Checks a VCD file with tools that know nothing of this project:
#   vcd2lxt2          complains about ids it does not know (its exit code says nothing)
#   vcd2fst, fst2vcd  read it, write it back: each signal has the same values at the same times
# usage: check_vcd.sh [FILE]   exit 0: accepted; 1: a complaint; 2: usage; 77: a tool is missing
# Without a file: the waveforms of the quickstart scenarios, made with $IOASIM.
set -eu

[ $# -le 1 ] || { echo "usage: check_vcd.sh [FILE]" >&2; exit 2; }
if [ $# -eq 0 ]; then
    command -v vcd2lxt2 >/dev/null || {
        echo "check_vcd.sh: vcd2lxt2 is missing (gtkwave)" >&2
        exit 77
    }
    top=$(cd "$(dirname "$0")/../.." && pwd)
    ioasim=${IOASIM:-$top/build/release/ioasim}
    waves=$(mktemp -d)
    trap 'rm -rf "$waves"' EXIT
    passed=0 failed=0
    for scenario in "$top"/scenarios/quickstart/*.json; do
        wave=$waves/$(basename "$scenario" .json)
        "$ioasim" run "$scenario" --out "$wave.out" --trace "$wave.vcd" >"$wave.log" 2>&1 || true
        # A scenario with several cells makes a waveform of each.
        for file in "$wave"*.vcd; do
            if "$0" "$file"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
        done
    done
    echo "$passed passed, $failed failed"
    [ "$passed" -gt 0 ] && [ "$failed" -eq 0 ]
    exit
fi
file=$1
[ -r "$file" ] || { echo "check_vcd.sh: cannot read $file" >&2; exit 2; }
for tool in vcd2lxt2 vcd2fst fst2vcd; do
    command -v "$tool" >/dev/null || {
        echo "check_vcd.sh: $tool is missing (gtkwave)" >&2
        exit 77
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
complain() { echo "check_vcd.sh: $file: $*" >&2; failed=1; }

# One line for each change of each signal: "name time value", sorted by name and time. Initial
# values count as changes at 0; a value that only repeats the last one does not.
changes() {
    awk '
        function unpadded(bits) {
            while (length(bits) > 1 && substr(bits, 1, 1) == "0") bits = substr(bits, 2)
            return bits
        }
        function put(id, bits,    n, i, names) {
            bits = unpadded(tolower(bits))
            n = split(of[id], names, " ")
            for (i = 1; i <= n; i++) {
                if (last[names[i]] != bits "") {
                    last[names[i]] = bits
                    print names[i], now, bits
                }
            }
        }
        $1 == "$scope"   { scope[++depth] = $3 }
        $1 == "$upscope" { depth-- }
        $1 == "$var"     {
            name = ""
            for (i = 1; i <= depth; i++) name = name scope[i] "."
            of[$4] = of[$4] " " name $5
            signals++
        }
        $1 == "$enddefinitions" { body = 1; next }
        !body || $1 ~ /^\$/ { next }
        /^#/         { now = substr($1, 2); next }
        /^[bB]/      { put($2, substr($1, 2)); next }
        /^[01xXzZ]/  { put(substr($1, 2), substr($1, 1, 1)); next }
        END { print "signals", 0, signals + 0 }
    ' "$1" | sort -k1,1 -k2,2n -s
}

vcd2lxt2 "$file" "$work/out.lxt2" >"$work/lxt2.log" 2>&1 || complain "vcd2lxt2 failed"
if grep -Eiq 'unknown|parse error|exiting|unexpected|error' "$work/lxt2.log"; then
    said=$(grep -Ei 'unknown|error|exiting|unexpected' "$work/lxt2.log" | head -n 3)
    complain "vcd2lxt2 says: $said"
fi

vcd2fst "$file" "$work/out.fst" >"$work/fst.log" 2>&1 || complain "vcd2fst failed"
if fst2vcd -f "$work/out.fst" -o "$work/back.vcd" >>"$work/fst.log" 2>&1; then
    changes "$file" >"$work/before"
    changes "$work/back.vcd" >"$work/after"
    [ "$(wc -l <"$work/before")" -gt 1 ] || complain "no signal has any value"
    if ! cmp -s "$work/before" "$work/after"; then
        complain "values differ after vcd2fst and fst2vcd:"
        diff "$work/before" "$work/after" | head -n 10 >&2
    fi
else
    complain "fst2vcd cannot read what vcd2fst made of it"
fi

[ $failed -eq 0 ] && echo "$file: accepted by vcd2lxt2, vcd2fst and fst2vcd"
exit $failed
