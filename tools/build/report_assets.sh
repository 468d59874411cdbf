#!/bin/sh
# Builds the optional script of the page of `ioasim report` into build/report (or the folder given),
# where the program finds it: zoom, filters, charts. Needs node and npm, and the npm registry for
# the libraries that tools/report/package-lock.json names. The C++ build never needs it.
set -eu
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
out=${1:-$top/build/report}
for program in node npm; do
    if ! command -v "$program" >/dev/null 2>&1; then
        echo "report_assets.sh: $program is missing; without the script a report is static" >&2
        exit 77
    fi
done
# Third-party code stays outside of the sources.
parts=$top/build/report-parts
mkdir -p "$parts" "$out"
cp -r "$top/tools/report/." "$parts"
cd "$parts"
if ! cmp -s package-lock.json .installed 2>/dev/null || [ ! -d node_modules ]; then
    npm ci --ignore-scripts --no-fund --no-audit --loglevel=error >&2
    cp package-lock.json .installed
fi
node build.mjs "$out"
