#!/bin/bash
# Does `bench points` keep its word: traces, signals, rows without a result, files that are refused?
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# made FILE PYTHON: a file of points; PYTHON changes `file`, `point` and `e`, the experiment of a
# point that costs nothing and passes.
made() {
    python3 - "$1" "$2" <<'END2'
import copy
import json
import sys

e = {"topology": "integrated-dsa", "executor": "dsa", "pattern": "single", "op": "noop",
     "size_bytes": 0, "devices": 1, "groups": 1, "submitters": 1, "portal": "same_line",
     "fence": "none", "poll": "busy", "driver": "user", "vm": False, "translation": "svm",
     "page_size": 4096, "dest": "none", "numa": "local", "engines": 2,
     "wq": {"mode": "dedicated", "size": 64, "threshold": 0}, "submit": "movdir64b",
     "iterations": 20, "buffers": "none", "buffer_layout": "same", "devtlb": "miss",
     "rebuild": "untimed", "warmup": 10, "span": "total", "stat": "median"}
point = {"id": "P", "row": "R", "testbed": "-", "source": "-", "tag": "DER", "experiment": e,
         "metric": "latency_ns", "x": {"name": "size_bytes", "values": [0]}, "measured": [646],
         "tolerance": 0.5}
file = {"format": "timing-points/1", "set": "made", "points": [point], "omitted": []}


def another(identity, row):
    one = copy.deepcopy(point)
    one.update({"id": identity, "row": row})
    file["points"].append(one)
    return one


exec(sys.argv[2])
with open(sys.argv[1], "w") as out:
    json.dump(file, out, indent=1)
END2
}

# refused NAME FILE TEXT...: exit code 2, and each TEXT is said of a place in the file.
refused() {
    local name=$1 file=$2 text problem=
    shift 2
    run bench points "$file"
    [ "$code" -eq 2 ] || problem="exit code $code: $(tail -n 1 o)"
    for text; do
        grep -F -- "$text" e | grep -qE "^$file:[0-9]+:[0-9]+: error" ||
            problem+=" says nowhere \"$text\": $(head -n 1 e)"
    done
    ! LC_ALL=C grep -q $'[\001-\010\013-\037]' e o || problem+=" raw control characters"
    verdict "$name" "$problem"
}

# --- traces -------------------------------------------------------------------------------------

made good.json ''
run bench points good.json --trace t.jsonl
expect "a trace is written" 0 'made: 1 of 1 rows passed'
verdict "of its experiment" "$([ -s t.P-0.jsonl ] || ls)"
ln -s /dev/full full.P-0.jsonl
run bench points good.json --trace full.jsonl
expect "a trace that is lost is no success" 3 'made: OUTPUT LOST, 1 of 1 rows passed'
expect "and is named" 3 'NOT WRITTEN full.P-0.jsonl: '
run bench points good.json --trace full.jsonl --json
verdict "in JSON, too" "$(python3 -c 'import json, sys
o = json.load(open("o"))
print("" if o["outcome"] == "OUTPUT LOST" and len(o["not_written"]) == 1 else o)')"

echo precious >precious
ln -s precious link.P-0.jsonl
run bench points good.json --trace link.jsonl
expect "a trace overwrites nothing" 2 'error[E0802]'
verdict "not even through a link" "$(grep -qx precious precious || head -c 80 precious)"
run bench points good.json --trace t.jsonl
expect "an older trace stays" 2 '--force overwrites it'
run bench points good.json --trace link.jsonl --force
expect "--force" 0 '1 of 1 rows passed'
verdict "overwrites" "$(! grep -qx precious precious || echo it is as it was)"
run bench points good.json --trace good.jsonl
cp good.json same.P-0.json
run bench points same.P-0.json --trace same.json --force
expect "a trace that would be its own points" 2 'would overwrite the points'

# --- signals ------------------------------------------------------------------------------------

made long.json 'slow = another("slow", "S")
slow["experiment"].update({"pattern": "window", "op": "memmove", "size_bytes": 65536,
    "queue_depth": 32, "iterations": 900000, "buffers": "warm", "buffer_layout": "per_slot",
    "rebuild": "timed", "clock_start": "after_fill", "devtlb": "natural", "dest": "llc"})
slow["metric"] = "throughput_gbps"
slow["x"] = {"name": "queue_depth", "values": [16, 32]}
slow["measured"] = [30, 30]'
asked_to_end INT 130 'made: INTERRUPTED, 1 of 1 rows passed, 1 not finished' \
    bench points long.json
asked_to_end TERM 143 '"interrupted": true' bench points long.json --json --trace cut.jsonl
verdict "JSON that is cut short is whole" "$(python3 -c 'import json
o = json.load(open("o"))
rows = [row["row"] for row in o["rows"]]
good = rows == ["R"] and o["outcome"] == "INTERRUPTED" and o["not_finished"] == 1
print("" if good else o)' 2>&1)"
verdict "and so are the traces" \
    "$(tail -n 1 cut.slow-0.jsonl | python3 -m json.tool 2>&1 >/dev/null)"

# --- rows without a result ----------------------------------------------------------------------

made nowhere.json 'e.update({"topology": "software"})'
made tolerant.json 'e.update({"pattern": "window"}); point["tolerance"] = 5'
run bench points tolerant.json
expect "nor is a row without any result, however much is allowed" 1 'gives no such value'
run bench points nowhere.json
expect "nothing carried out is no success" 1 'made: 0 of 1 rows passed, 1 not carried out'
expect "and has a reason" 1 'the pattern single is of topology integrated-dsa, not software'
expect "and counts as wholly wrong" 1 'median over rows 100.0 %'
made info.json 'point["measured"] = [1]; file["info_rows"] = ["R"]'
run bench points info.json
expect "a row for information is not scored" 0 'made: 0 of 0 rows passed, 1 for information'
expect "but told" 0 'R: info'
made nowhere_info.json 'e.update({"topology": "software"}); file["info_rows"] = ["R"]'
run bench points nowhere_info.json
expect "nor does it have to be carried out" 0 'not carried out'
made info.json 'file["info_rows"] = "R"'
refused "rows for information are a list" info.json '"info_rows" is a list of names'

# --- files that cannot be judged ----------------------------------------------------------------

made bad.json 'one = another("range", "A"); one["measured"] = [None]
one["measured_range"] = [[700, 600]]
one = another("offset", "B"); one["free_offset_ns"] = [400, 100]
one = another("unit", "C"); one.update({"metric": "rate_mops", "free_offset_ns": [1, 2]})
one = another("P", "D")
one = another("twice", "D"); one["tolerance"] = 0.25
one = another("cycles", "E"); one.update({"measured_cycles": [2000], "clock_ghz": 2.0})
one = another("inferred", "F"); one["inferred"] = ["engines", "enginse"]
one = another("deeper", "F"); one["inferred"] = ["wq.size", "wq.depth", "clock_ghz"]
one = another("zero", "G"); one["measured"] = [0]
one = another("bound", "H"); one["measured"] = [None]; one["measured_range"] = [[None, 0]]
one = another("esc\033[31m", "I")
one = another("combine", "J"); one["combine"] = "ratio"
one = another("field", "K"); one["experiment"]["queue_depth"] = 0
point["metric"] = "ratio"'
refused "bad points, all at once" bad.json 'a ratio has a "baseline"' \
    'a range from 700 to 600 holds nothing' 'an offset from 400 to 100 holds nothing' \
    'an offset in ns cannot be added to "rate_mops"' 'the id "P" is taken' \
    'the row "D" has the tolerance 0.5 already' \
    'an error relative to 0' \
    '"id" holds a control character' '"combine" belongs to a "baseline"' \
    '"queue_depth" is at least 1'
verdict "each once" "$([ "$(grep -c ': error' e)" -eq 11 ] || grep ': error' e)"
verdict "what changes no result is a warning" "$(for text in \
    '2000 cycles at 2 GHz are 1000 ns, not 646' '"enginse" is none' \
    'the experiment has no "wq.depth"'; do
    grep ': warning' e | grep -qF "$text" || echo "$text"
done)"
made told.json 'point.update({"measured_cycles": [2000], "clock_ghz": 2.0, "tolerance": 99})
point["inferred"] = ["enginse"]'
run bench points told.json
expect "and does not keep a point from being judged" 0 '1 of 1 rows passed'
made count.json 'point.update({"metric": "count", "measured": [0], "x": {"name": "client",
    "values": [0]}})
e.clear(); e.update({"topology": "integrated-dsa", "pattern": "trace", "count": "devtlb_hits",
    "submit": "enqcmd", "config": {"devices": [{"groups": [{"engines": 1, "wqs": [
        {"mode": "shared", "size": 16, "threshold": 16}]}]}]},
    "trace": [{"op": "noop", "comp": "C", "wq": [0, 0]}]})'
run bench points count.json
expect "a count may be 0" 0 '1 of 1 rows passed'

made faults.json 'e["wq"] = {"mode": "shared", "size": 16, "threshold": 16}
e["submit"] = "enqcmds"
one = another("guest", "G"); one["experiment"].update({"driver": "kernel_direct", "vm": True})
steps = another("steps", "S")
steps["x"] = {"name": "repeat", "values": [1]}
steps["experiment"] = {"topology": "integrated-dsa", "pattern": "trace", "submit": "enqcmds",
    "config": {"devices": [{"groups": [{"engines": 1, "wqs": [e["wq"]]}]}]},
    "trace": [{"op": "noop", "comp": "C", "wq": [0, 0]}]}'
refused "submissions that fault" faults.json 'a driver of kind user gets #GP' \
    'ends in an exit'
verdict "each of them" "$([ "$(grep -c ': error' e)" -eq 3 ] || grep ': error' e)"
made beside.json 'e.clear(); e.update({"topology": "software", "pattern": "cpu_page_fault",
    "backing": "memory", "iterations": 20})
another("fits", "A")
def add(name, **fields):
    another(name, "A")["experiment"].update(fields)
add("groups", groups=4); add("submit", submit="enqcmds"); add("devtlb", devtlb="hit")
add("numa", numa="dst_remote"); add("tables", translation="iova")'
refused "machines that software cannot have beside it" beside.json \
    'workqueue entries of a device: at most 128' 'a dedicated workqueue takes movdir64b' \
    'hits are forced' 'on its own node' 'in the tables of svm alone'
made stream.json 'e.clear(); e.update({"topology": "discrete-nic", "pattern": "dma_stream",
    "direction": "write", "block_bytes": 4096, "iommu": True, "walk_reads_per_block": 1.76,
    "outstanding_walks": 1, "iterations": 20})
point.update({"metric": "throughput_gbps", "x": {"name": "walk_reads_per_block",
    "values": [5, 5.001, 6]}, "measured": [1, 1, 1]})
one = another("block", "B")
one["x"] = {"name": "block_bytes", "values": [32768, 32769, 65536]}'
refused "streams that no adapter makes" stream.json \
    'page-table reads of a block of 4096 bytes: at most 5' 'bytes of a block: at most 32768'
verdict "what is at the limit is none of them" \
    "$([ "$(grep -c ': error' e)" -eq 4 ] || grep ': error' e)"

# --- the command line ---------------------------------------------------------------------------

run bench points good.json --param device.dispatch=1ms
expect "a parameter out of range" 2 'must be 1ps..10us'
run bench points good.json --param device.dispach=1ns
expect "a parameter that is misspelt" 2 'did you mean device.dispatch?'
run bench points good.json --param devise.dispatch=1ns
expect "a component that is misspelt" 2 'did you mean "device"?'
run bench nosuch
expect "a benchmark that is not there" 2 'there is no benchmark "nosuch"'
run bench points
expect "no points" 2 'no file of timing points is named'
head -c 5000000 /dev/zero | tr '\0' ' ' >large.json
run bench points large.json
expect "points are no scenario" 2 'the limit for a file of timing points is 4194304'
: >empty.json
run bench points empty.json
expect "not even empty ones" 2 'a file of timing points holds format, set and points'

finish
