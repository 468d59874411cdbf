#!/bin/bash
# Makes the pictures of READMEs anew, into traces/pictures (or the folder given): a report in
# Chromium, its waveform in GTKWave. Needs node, npm, chromium, gtkwave and xvfb.
set -eu
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
out=$(readlink -f "${1:-$top/traces/pictures}")
ioasim=${IOASIM:-$top/build/release/ioasim}
scenario=scenarios/quickstart/two_vms.json
for program in node npm chromium gtkwave Xvfb python3; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 77; }
done
work=$(mktemp -d)
started=
finish() {
    # shellcheck disable=SC2086
    [ -z "$started" ] || kill $started 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

"$top/tools/build/report_assets.sh" >&2
cd "$top"
"$ioasim" run "$scenario" --out "$work/run" --quiet
"$ioasim" report "$work/run" -o "$work/report.html"
mkdir -p "$out"
node tests/browser/pictures.mjs "$work/report.html" "$out"

# A screen that is a file: what GTKWave drew is read from there.
cd "$work/run"
Xvfb -displayfd 3 -screen 0 1280x760x24 -fbdir "$work" -nolisten tcp 3>"$work/display" 2>/dev/null &
started=$!
for _ in $(seq 100); do
    [ ! -s "$work/display" ] || break
    sleep 0.1
done
DISPLAY=":$(cat "$work/display")" gtkwave wave.vcd wave.gtkw >/dev/null 2>&1 &
started="$! $started"
sleep 8
python3 "$top/tools/build/screen_to_png.py" "$work/Xvfb_screen0" "$out/waves.png"
ls -l "$out"
