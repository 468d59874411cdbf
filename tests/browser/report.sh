#!/bin/bash
# Can a person read a report? Makes pages, among them one of a trace of 100 MB, and has report.mjs
# use them in a browser. Skipped without node, npm or Chromium.
. "$(dirname "$(readlink -f "$0")")/../cli/lib.sh"
quickstart=$top/scenarios/quickstart
assets=$top/build/report

for program in node npm chromium; do
    command -v "$program" >/dev/null || { echo "$program is missing"; exit 77; }
done
"$top/tools/build/report_assets.sh" "$assets" >assets.log 2>&1 || { cat assets.log; exit 1; }

cat >big.json <<'END'
{"version": 1, "name": "big", "purpose": "a trace of more than 100 MB",
 "platform": {"iommus": [{"name": "iommu0"}],
  "devices": [{"name": "dsa0", "iommu": "iommu0", "workqueues": [{"name": "wq0"}]}]},
 "programs": [{"on": "host", "process": "app", "steps": [{"bind": "A", "device": "dsa0"},
   {"submit": {"to": "dsa0/wq0", "pasid": "A", "size": "64B", "count": 40000}}]}],
 "expect": [{"invariants": "hold"}], "run": {"limit": "1h"}}
END
mkdir pages
page() { # NAME ARGUMENTS
    local name=$1
    shift
    run report "$@" -o "pages/$name.html"
    expect "$name is written" 0 "pages/$name.html"
}
page run "$quickstart/two_vms.json" --assets "$assets"
page static "$quickstart/two_vms.json" --assets none
page failed "$quickstart/two_vms.json" --assets "$assets" --defect ioasid.reversed_priority
run campaign run "$quickstart" --runs 20 --seed 3 --out many --defect ioasid.reversed_priority
page campaign many --assets "$assets"
run run big.json --no-files --trace big.jsonl
verdict "the trace has 100 MB" \
    "$([ "$(stat -c %s big.jsonl)" -ge 100000000 ] || stat -c %s big.jsonl)"
page big big.jsonl --assets "$assets"
verdict "its page has at most 5 MB" \
    "$([ "$(stat -c %s pages/big.html)" -le 5000000 ] || stat -c %s pages/big.html)"

node "$here/../browser/report.mjs" pages \
    "$top/build/report-parts/node_modules/axe-core/axe.min.js" \
    ${PICTURES:+"$PICTURES"} >browser.log 2>&1
cat browser.log
if [[ $(tail -n 1 browser.log) =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
else
    verdict "the browser" "it broke off: $(tail -n 1 browser.log)"
fi
finish
