#!/bin/bash
# Opens a waveform with its save file in GTKWave (under Xvfb) and asks GTKWave through its Tcl
# interface: which signals are there, what stands at three times, whether words for values, groups
# and markers came out of the save file. The values must be those that our own reader tells.
# usage: check_gtkwave.sh FILE.vcd|FILE.fst   exit 0: as we read it; 1: a complaint; 77: no tool
set -eu
here=$(dirname "$(readlink -f "$0")")
ioasim=$(readlink -f "${IOASIM:-$here/../../build/release/ioasim}")
for tool in gtkwave xvfb-run xauth; do
    command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 77; }
done
cd "$(dirname "$1")"
wave=$(basename "$1")
save=${wave%.vcd}.gtkw
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
complain() { echo "check_gtkwave.sh: $wave: $*" >&2; failed=1; }

end=$("$ioasim" trace check "$wave" --at 0ps | sed -n '2,$s/^ioasim\.[^ ]* .*//p' | wc -l)
[ "$end" -gt 0 ] || complain "our reader sees no signal"
length=$(if [ "${wave##*.}" = vcd ]; then tail -n 1 "$wave" | tr -d '#'; else
    fst2vcd -f "$wave" 2>/dev/null | grep '^#' | tail -n 1 | tr -d '#'; fi)
times="$((length / 4)) $((length / 2)) $((length - 2))"

cat >"$work/ask.tcl" <<TCL
set out [open "$work/said" w]
foreach letter {0 1} { puts \$out "marker \$letter [gtkwave::getNamedMarker \$letter]" }
set names {}
for {set i 0} {\$i < [gtkwave::getNumFacs]} {incr i} { lappend names [gtkwave::getFacName \$i] }
for {set i 0} {\$i < [gtkwave::getTotalNumTraces]} {incr i} {
    puts \$out "row [gtkwave::getTraceNameFromIndex \$i]"
}
foreach time {$times} {
    gtkwave::setMarker \$time
    for {set i 0} {\$i < [gtkwave::getTotalNumTraces]} {incr i} {
        set name [gtkwave::getTraceNameFromIndex \$i]
        if {[string match *_state \$name] || [string match *\ owner \$name]} {
            puts \$out "word \$time \$name = [gtkwave::getTraceValueAtMarkerFromIndex \$i]"
        }
    }
}
# Numbers as they are, whatever words the save file puts in their place.
gtkwave::/Edit/Highlight_All
gtkwave::/Edit/Delete
gtkwave::addSignalsFromList \$names
gtkwave::/Edit/Highlight_All
gtkwave::/Edit/Data_Format/Binary
foreach time {$times} {
    gtkwave::setMarker \$time
    foreach name \$names {
        puts \$out "value \$time \$name [gtkwave::getTraceValueAtMarkerFromName \$name]"
    }
}
close \$out
gtkwave::/File/Quit
TCL
timeout 60 xvfb-run -a gtkwave "$wave" "$save" -S "$work/ask.tcl" >"$work/log" 2>&1 || true
[ -s "$work/said" ] || { complain "GTKWave said nothing"; tail -n 5 "$work/log" >&2; exit 1; }

for time in $times; do
    awk -v time="$time" '
        $1 == "value" && $2 == time {
            name = $3
            sub(/\[.*/, "", name)
            bits = $4
            if (bits ~ /[xX]/ || bits == "") { print name, "x"; next }
            value = 0
            for (i = 1; i <= length(bits); i++) value = value * 2 + substr(bits, i, 1)
            print name, value
        }' "$work/said" | sort >"$work/theirs"
    "$ioasim" trace check "$wave" --at "${time}ps" | grep '^ioasim\.' | sort >"$work/ours"
    cmp -s "$work/ours" "$work/theirs" || {
        complain "values at $time differ (ours first):"
        diff "$work/ours" "$work/theirs" | head -n 6 >&2
    }
done
# Groups and signals of the save file came up, row by row.
sed -n 's/^-//p; s/^+{\(.*\)} .*/\1/p' "$save" >"$work/wanted"
sed -n 's/^row //p' "$work/said" >"$work/rows"
cmp -s "$work/wanted" "$work/rows" || {
    complain "rows are not those of the save file:"
    diff "$work/wanted" "$work/rows" | head -n 6 >&2
}
# Words stand for the numbers, as the filters say.
sed -n 's/^word //p' "$work/said" >"$work/words"
while read -r time component signal _ word; do
    name=ioasim.${component//\//.}.$signal
    value=$("$ioasim" trace check "$wave" --at "${time}ps" | sed -n "s/^$name //p")
    kind=ioasid_state digits=1
    [ "$signal" != owner ] || { kind=lock_owner digits=4; }
    [ "$value" != x ] || continue
    wanted=$(sed -n "s/^$(printf "%0${digits}x" "$value") //p" "${save%.gtkw}.$kind.filter")
    [ "$word" = "$wanted" ] || complain "$name at $time is shown as $word, not $wanted"
done <"$work/words"
[ -s "$work/words" ] || complain "no signal with words"
# Markers at findings.
findings=$(grep -c '^\[markername\]' "$save" || true)
first=$(sed -n 's/^marker 0 //p' "$work/said")
if [ "$findings" -gt 0 ]; then
    wanted=$(sed -n 's/^\*-[0-9.]* 0 \([-0-9]*\).*/\1/p' "$save")
    [ "$first" = "$wanted" ] || complain "marker A is at $first, not at $wanted"
else
    [ "$first" -lt 0 ] || complain "a marker at $first, without a finding"
fi
[ $failed -eq 0 ] && echo "$wave: GTKWave reads what we read at $times; $(wc -l <"$work/rows") rows"
exit $failed
