#!/bin/bash
# Do questions to a trace have answers that a person can use: which events, where two runs part, why
# an ID is not free, what became of a descriptor, a machine, a fault?
. "$(dirname "$(readlink -f "$0")")/lib.sh"
two=$top/scenarios/quickstart/two_vms.json
faults=$top/scenarios/faults/guest_page_faults.json

# --- the same answers from a scenario, a trace, an archive and a folder ---------------------------

run run "$two" --out results
expect "a run leaves a trace" 0 'PASS'
gzip -c results/trace.jsonl >copy.jsonl.gz
for input in "$two" results/trace.jsonl copy.jsonl.gz results; do
    run trace query "$input" --event ioasid.reclaim --where kernel=host --fields ioasid --format csv
    expect "events of $(basename "$input")" 0 'ioasid'
    verdict "are those of its life" "$(printf 'ioasid\n201\n202\n' | diff - o)"
    run trace explain "$input" --ioasid 202
    cp o "story.$(basename "$input")"
done
verdict "a story from a file is that from the run" \
    "$(diff story.two_vms.json story.trace.jsonl; diff story.results story.copy.jsonl.gz)"

# --- query --------------------------------------------------------------------------------------

run trace query results --count --by event --limit 2
expect "counts by name" 0 'dsa.access'
run trace query results --event ioasid.put --where holder=iommu --where kernel=host --count
verdict "conditions hold together" "$(echo 2 | diff - o)"
run trace query results --id 202 --from 212us --to 213us --event 'ioasid.*' --limit 1
expect "a window of time" 0 '212.512567 us ioasid.free_call'
run trace query results --event ioasid.putt
expect "a name that no event has" 2 'did you mean "ioasid.put"?'
run trace query results --where hodler=kvm
expect "a field that no event has" 2 'did you mean "holder"?'
run trace query results --from 9us --to 8us
expect "a window that ends before it begins" 2 'the window ends (8us) before it begins (9us)'
run trace query results --from soon
expect "a time without sense" 2 '--from'
run trace query nothing.jsonl
expect "a trace that is not there" 2 'cannot open nothing.jsonl'
run trace query results --seed 3
expect "a trace has no seed to choose" 2 'is no scenario: its run is over'
head -c 100000 results/trace.jsonl >cut.jsonl
run trace query cut.jsonl --count
expect "of a trace that was cut off it tells how far it goes" 0 'the last line is cut off'
run trace query results --by event
expect "--by without --count" 2 '--by says by what'

# --- diff ---------------------------------------------------------------------------------------

run trace diff results "$two"
expect "a run repeated is the same" 0 'no difference'
run trace diff "$two" --defect-b linux.missing_put --event 'ioasid.*'
expect "a lost put is a difference" 1 'first difference: event '
expect "with what became of it" 1 'FREE_PENDING, held by iommu'
expect "and what checkers say" 1 'references.leak'
run trace diff "$two" --defect-b linux.missing_put --format json
expect "for programs" 1 '"what":"host.ioasid(202)"'

# --- why is it not free -------------------------------------------------------------------------

run trace explain "$two" --defect linux.missing_put
expect "an overview says what failed first" 0 'references.leak: host.ioasid(201)'
expect "and what to ask next" 0 '--ioasid 202'
run trace explain "$two" --defect linux.missing_put --ioasid 202
expect "who holds it" 0 'freed at 212.513 us, and never came back: held by iommu since 142.653 us'
expect "and what he did instead of letting go" 0 'did its part of the teardown at '
run trace explain "$two" --defect linux.skip_iotlb_invalidation --ioasid 202
expect "a flush that never came" 0 'no invalidation of the IOTLB came between the end of its PASID'
expect "and what it led to" 0 'FINDING use_after_free.cached'
run trace explain "$two" --ioasid 202
verdict "none is missing where all is well" "$(grep 'no invalidation' o)"
run trace explain "$two" --at 220us
expect "at a time" 0 \
    '! host.ioasid(202)  FREE_PENDING since 212.513 us, by vm2/vmm/vmm step 1 (free)'
expect "what waits" 0 'iommu.teardown of host.ioasid(202): waits in the ordered workqueue since'
expect "which steps are under way" 0 'vm2/vcpu0/app step 3 (submit), begun at'

run trace explain "$top/scenarios/vm/queue_quiet.json" --defect vdcm.unbind_ignored --ioasid 201
expect "who kept it although he was called" 0 \
    'vdcm/vm1/vdev0 was called for UNBIND at 210.630 us and kept its reference: dropped at 430.596'
run trace explain "$top/scenarios/vm/queue_quiet.json" --ioasid 201
verdict "which is not so where all is well" "$(grep 'kept its reference' o)"

# A failed run says what to type, and that works.
run run "$two" --no-files --defect linux.missing_put
expect "a failed run leads to the story" 1 'why: ioasim trace explain'
# shellcheck disable=SC2046
run $(sed -n 's/^why: ioasim //p' o)
expect "of the ID that failed" 0 'IOASID 201 of host, set vm1'
expect "with its reason" 0 'never came back: held by iommu'

# --- lives --------------------------------------------------------------------------------------

run trace explain "$two" --ioasid 202
expect "allocation goes back to the guest's step" 0 \
    'by command alloc_pasid of vm2/vcpu0 in vm2/vcpu0/app step 0 (alloc)'
expect "UNBIND goes back to the free" 0 \
    'from iommu.free (queued at 212.713 us), because of FREE at 212.513 us by vm2/vmm/vmm step 1'
expect "how long work waited" 0 'iommu.free waits in the ordered workqueue'
expect "what devices did meanwhile" 0 'requests blocked (reason 0x59)'
run trace explain "$two" --ioasid 101 --kernel vm2
expect "a guest's own ID" 0 'host IOASID 202 stands behind it from here on'
run trace explain "$two" --ioasid 101
expect "an ID of several kernels" 2 '2 kernels have an IOASID 101'
run trace explain "$two" --ioasid 7
expect "an ID that never was" 2 'no IOASID 7 was allocated'
run trace explain "$two" --vm vm2
expect "a machine" 0 'IOASID 202 is freed while it is used: FREE'
run trace explain "$two" --vm vm3
expect "a machine that never was" 2 'there is no virtual machine "vm3"'
run trace explain "$two" --descriptor 14
expect "a descriptor that fails" 0 'failed (status 0x20)'
expect "because its entry was cleared" 0 'the PASID entry of 202 was cleared at'
expect "by whom" 0 'IOASID 202 was freed at 212.513 us, by vm2/vmm/vmm step 1 (free)'
run trace explain "$two" --fault 49
expect "a blocked request" 0 'the walk reads pasid_entry at'
run trace explain "$faults" --fault 1
expect "a page request through two kernels" 0 'forwarded to the VMM of vm1, as PASID 101: done'
expect "and its answer" 0 'success (guest), and the device has its translation'
run trace explain "$two" --ioasid 202 --format json
expect "for programs" 0 '"held":[{"holder":"owner"'
python3 -c 'import json; json.load(open("o"))' || verdict "which is JSON" "it is not"
run trace explain "$two" --ioasid 202 --vm vm2
expect "one thing at a time" 2 'ioasim trace explain'

# How each way in which a machine ends is told: who did it stands behind the last UNBIND.
ending() { # NAME CAUSE [ARGUMENTS...]
    local name=$1 cause=$2
    shift 2
    run trace explain "$top/scenarios/vm/$name.json" --ioasid 201 "$@"
    expect "$name: who unbound it" 0 "$cause"
}
ending ending_killed 'by the end of vm1 (killed) by host/admin step 3 (kill)' \
    --set host.vfio.ioasid_closed_first=true
ending ending_unplug 'by vm1/vmm/vmm step 1 (unplug)'
ending ending_driver_unbound 'by vm1/vmm/vmm step 2 (unplug)'
ending ending_process 'exit ('

# --- pictures -----------------------------------------------------------------------------------

run trace explain "$two" --ioasid 202 --format states
expect "the way through the states" 0 '3  212.513 us  ACTIVE -> FREE_PENDING'
expect "how long in each" 0 'FREE_PENDING for 33.528 us'
run trace explain "$two" --ioasid 202 --format svg
expect "as a picture" 0 '</svg>'
verdict "that is XML" "$(python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("o")' 2>&1)"
run trace explain "$two" --vm vm2 --format svg
expect "a machine has no states" 2 '--format svg shows the states of an IOASID'

# --- for a mail ---------------------------------------------------------------------------------

for question in "--ioasid 202" "--vm vm2" "--descriptor 14" "--fault 49"; do
    # shellcheck disable=SC2086
    run trace explain "$two" $question --format mail
    expect "a chart of $question" 0 'time us'
    verdict "fits into a mail" "$(LC_ALL=C grep -nE '.{73}|[^ -~]' o | head -n 1)"
done

finish
