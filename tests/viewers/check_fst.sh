#!/bin/bash
# Reads an FST file with fst2vcd and compares it with the VCD file of the same run: the same signals
# change to the same values at the same times. (An ID appears in FST when it is allocated, in VCD
# from the start: values before that, and slots that no ID took, are left out.)
# usage: check_fst.sh FILE.fst FILE.vcd   exit 0: the same; 1: a complaint; 77: a tool is missing
set -eu
command -v fst2vcd >/dev/null || { echo "fst2vcd is missing (gtkwave)" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

changes() {
    awk '
        $1 == "$scope"   { scope[++depth] = $3 }
        $1 == "$upscope" { depth-- }
        $1 == "$var"     {
            name = ""
            for (i = 1; i <= depth; i++) name = name scope[i] "."
            of[$4] = name $5
        }
        $1 == "$enddefinitions" { body = 1; next }
        !body || $1 ~ /^\$/ { next }
        /^#/         { now = substr($1, 2); next }
        /^[bB]/      { value = substr($1, 2); id = $2 }
        /^[01xXzZ]/  { value = substr($1, 1, 1); id = substr($1, 2) }
        {
            sub(/^0+/, "", value)
            if (value == "") value = "0"
            if (value ~ /[xXzZ]/ || value == (id in last ? last[id] : "0")) next
            last[id] = value
            print of[id], now, value
        }
        END { print "end", now }
    ' "$1" | sort -k1,1 -k2,2n -s
}

fst2vcd -f "$1" -o "$work/back.vcd" 2>"$work/said" || { cat "$work/said" >&2; exit 1; }
changes "$work/back.vcd" >"$work/fst"
changes "$2" >"$work/vcd"
[ "$(wc -l <"$work/fst")" -gt 1 ] || { echo "$1: no signal has any value" >&2; exit 1; }
diff "$work/vcd" "$work/fst" | head -n 10 >&2
cmp -s "$work/vcd" "$work/fst"
echo "$1: $(wc -l <"$work/fst") changes, as in the VCD file"
