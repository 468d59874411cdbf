#!/bin/bash
# Is what a scenario builds drawn as it is: as a tree, as a graph, as a picture?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
two=$top/scenarios/quickstart/two_vms.json

run topology "$two"
expect "a queue stands under its device" 0 '|           |- workqueue wq0: shared, 8 entries'
expect "a device behind its link and unit" 0 'device dsa0: 00:01.0, DSA'
expect "a program says what it uses" 0 'program app: 5 steps; binds dsa0, submits dsa0/wq0'
run topology "$two" --set 'platform.devices[dsa0].workqueues[wq0].size=4'
expect "a setting changes the picture" 0 'workqueue wq0: shared, 4 entries'
run topology "$top/scenarios/vm/two_vms_dedicated.json"
expect "a virtual device is a queue of its parent" 0 'virtual device vdev0; is dsa0/wq0'
run topology "$top/scenarios/migration/live.json"
expect "several hosts" 0 'host target'
run topology "$top/scenarios/vtd/first_stage_dma.json"
expect "a machine without kernel" 0 'no kernel'
run topology "$two" -o dot
expect "a graph" 0 '"vm1/vcpu0/app" -> "dsa0/wq0" [label="submits"]'
run topology "$top/scenarios/vm/ending_killed.json"
expect "one of several runs must be chosen" 2 'has 2 runs, one is asked about'
run topology "$two" -o png
expect "a form that there is not" 2 '--output'
printf '{"version": 1}' >broken.json
run topology broken.json
expect "a wrong scenario" 2 'error[E0202]'

# Without Graphviz: what is missing, and what to do.
mkdir none
ln -s "$(command -v sh)" none/sh
env PATH="$PWD/none" "$ioasim" topology "$two" -o svg >o 2>e
code=$?
expect "no Graphviz" 2 'apt-get install graphviz'
if command -v dot >/dev/null; then
    run topology "$two" -o svg
    expect "a picture" 0 '</svg>'
    verdict "without complaints" "$(cat e)"
fi

finish
