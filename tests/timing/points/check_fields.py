#!/usr/bin/env python3
"""Does every field of an experiment change what it says, and is every wrong one refused?

FORMAT.md names the fields. Each case below runs one experiment with several values of one field
and compares what comes out; the values go through the file as everything else does. Hostile files
follow: each ends with exit code 2 and a message that names file, line and column.
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

IOASIM = os.environ.get("IOASIM", "build/release/ioasim")
TIME_LIMIT = 120

WINDOW = {"topology": "integrated-dsa", "executor": "dsa", "pattern": "window", "op": "memmove",
          "size_bytes": 4096, "devices": 1, "groups": 1, "engines": 1,
          "wq": {"mode": "dedicated", "size": 32, "threshold": 0}, "submitters": 1,
          "submit": "movdir64b", "portal": "same_line", "fence": "none", "driver": "user",
          "poll": "busy", "vm": False, "translation": "svm", "page_size": 4096, "buffers": "warm",
          "buffer_layout": "per_slot", "dest": "llc", "numa": "local", "devtlb": "natural",
          "rebuild": "timed", "queue_depth": 8, "iterations": 200, "clock_start": "after_fill"}
SINGLE = {**{k: v for k, v in WINDOW.items() if k not in ("queue_depth", "clock_start")},
          "pattern": "single", "span": "total", "stat": "mean", "iterations": 40}
BATCH = {**SINGLE, "pattern": "batch", "batch_size": 4}
BURST = {**WINDOW, "pattern": "burst", "burst": 8, "wait": "all", "batch_size": 1,
         "clock_start": "before_first", "iterations": 20}
PIPELINE = {**WINDOW, "pattern": "batch_pipeline", "outstanding": 1, "batch_size": 16,
     "iterations": 40}
SPLIT = {**BURST, "pattern": "split", "size_bytes": 262144, "burst": 1, "iterations": 4}
SHARED = {"topology": "integrated-dsa", "pattern": "shared", "translation": "svm",
          "config": {"devices": [{"groups": [{"engines": 1, "wqs": [
              {"mode": "dedicated", "size": 32, "threshold": 0},
              {"mode": "dedicated", "size": 32, "threshold": 0}]}]}]},
          "clients": [{"device": 0, "group": 0, "wq": 0, "pattern": "window", "op": "memmove",
                       "size_bytes": 4096, "queue_depth": 4, "submit": "movdir64b",
                            "measured": True},
                      {"device": 0, "group": 0, "wq": 1, "pattern": "window", "op": "memmove",
                       "size_bytes": 4096, "queue_depth": 4, "submit": "movdir64b"}]}
TRACE = {"topology": "integrated-dsa", "pattern": "trace", "count": "devtlb_hits",
     "submit": "enqcmd",
         "config": {"devices": [{"groups": [{"engines": 1, "wqs": [
             {"mode": "shared", "size": 16, "threshold": 16}]}]}]},
         "trace": [{"op": "memmove", "size_bytes": 64, "src": "A", "dst": "B", "comp": "C",
              "wq": [0, 0]},
                   {"op": "memmove", "size_bytes": 64, "src": "A", "dst": "B", "comp": "C",
                        "wq": [0, 0]}]}
PAGES = {**BURST, "pattern": "page_list", "iterations": 2,
         "huge": {"count": 1, "size_bytes": 262144, "split": 1}, "small": {"count": 8,
              "size_bytes": 4096}}
NIC = {"topology": "discrete-nic", "pattern": "dma_read", "link": "pcie_gen3_x8", "path": "direct",
       "read_bytes": 64, "window_bytes": 262144, "random": True, "iommu": True, "page_size": 4096,
       "outstanding": 1, "buffers": "device_warm", "direction": "read", "iterations": 500,
            "stat": "mean"}
STREAM = {"topology": "discrete-nic", "pattern": "dma_stream", "block_bytes": 4096,
          "walk_reads_per_block": 1.76, "iommu": True, "direction": "write",
               "outstanding_walks": 1,
          "iterations": 500}
INVALIDATE = {"topology": "software", "pattern": "invalidate", "device": "integrated-dsa",
              "translation": "svm", "pages": 1, "targets": ["iotlb"], "submissions": 1,
                   "iterations": 20}
IOPF = {"topology": "software", "pattern": "io_page_fault", "op": "memmove", "size_bytes": 4096,
        "device": "integrated-dsa", "translation": "svm", "block_on_fault": True,
             "backing": "memory",
        "stat": "mean", "iterations": 20}
CPUPF = {"topology": "software", "pattern": "cpu_page_fault", "backing": "memory",
     "iterations": 20}
VMEXIT = {"topology": "software", "pattern": "vmexit", "level": "L1", "handler": "L0_kernel",
     "iterations": 20}
PRIMITIVE = {"topology": "software", "pattern": "primitive", "primitive": "syscall",
     "iterations": 20}

NS, GBPS, MOPS, COUNT = "latency_ns", "throughput_gbps", "rate_mops", "count"

# name, experiment, metric, field, values: results must rise strictly (< 1 % apart is the same).
RISING = [
    ("op", SINGLE, NS, "op", ["noop", "crc_gen", "memmove"]),
    ("op second operands", {**SINGLE, "buffer_layout": "page"}, NS, "op", ["noop", "memmove",
         "dualcast"]),
    ("size_bytes", SINGLE, NS, "size_bytes", [64, 4096, 65536]),
    ("executor cpu in a window", {**WINDOW, "size_bytes": 65536}, GBPS, "executor", ["cpu",
         "dsa"]),
    ("executor cpu in a batch", {**BATCH, "size_bytes": 65536}, NS, "executor", ["dsa", "cpu"]),
    ("devices", {**WINDOW, "size_bytes": 65536, "queue_depth": 32}, GBPS, "devices", [1, 2]),
    ("groups", {**BURST, "size_bytes": 64, "batch_size": 64}, MOPS, "groups", [1, 2]),
    ("engines", {**BURST, "size_bytes": 64, "batch_size": 64}, MOPS, "engines", [1, 4]),
    ("wq.size", {**WINDOW, "size_bytes": 16384, "queue_depth": 32}, GBPS, "wq.size", [1, 32]),
    ("wq.threshold", {**WINDOW, "submit": "enqcmd", "queue_depth": 32, "submitters": 4,
                      "wq": {"mode": "shared", "size": 32, "threshold": 1}}, GBPS, "wq.threshold",
                           [1, 32]),
    ("submitters", {**WINDOW, "size_bytes": 64, "engines": 4, "queue_depth": 4}, MOPS,
         "submitters", [1, 2]),
    ("submit", {**SINGLE, "op": "noop", "wq": {"mode": "shared", "size": 4, "threshold": 4},
         "span": "submit",
                "submit": "enqcmd", "fence": "sfence"}, NS, "fence", ["none", "sfence"]),
    ("vm", {**SINGLE, "wq": {"mode": "shared", "size": 4, "threshold": 4}, "submit": "enqcmd",
            "span": "submit"}, NS, "vm", [False, True]),
    ("portal", {**WINDOW, "size_bytes": 64, "engines": 4, "queue_depth": 32}, MOPS, "portal",
         ["same_line", "rotate"]),
    ("fence", {**SINGLE, "span": "submit"}, NS, "fence", ["none", "sfence"]),
    ("driver kernel_dma_api", SINGLE, NS, "driver", ["kernel_direct", "kernel_dma_api",
         "kernel_sleep_poll"]),
    ("poll", {**SINGLE, "op": "noop"}, NS, "poll", ["busy", "sleep_poll"]),
    ("translation", {**SINGLE, "buffer_layout": "fresh", "page_size": 4096}, NS, "translation",
         ["physical", "svm"]),
    ("translation iova", {**SINGLE, "buffer_layout": "fresh", "page_size": 4096}, NS,
         "translation", ["physical", "iova"]),
    ("page_size", {**SINGLE, "size_bytes": 65536}, NS, "page_size", [2097152, 4096]),
    ("buffers flushed", SINGLE, NS, "buffers", ["warm", "flushed"]),
    ("buffers dram in a window", {**WINDOW, "queue_depth": 1}, GBPS, "buffers", ["dram", "warm"]),
    ("buffers flushed cost the core", {**WINDOW, "queue_depth": 1}, GBPS, "buffers", ["flushed",
         "dram"]),
    ("buffers device_warm", {**SINGLE, "op": "crc_gen"}, NS, "buffers", ["device_warm", "dram"]),
    ("ddio_bytes", {**SINGLE, "op": "crc_gen", "size_bytes": 262144, "buffers": "device_warm",
                    "page_size": 2097152}, NS, "ddio_bytes", [1048576, 4096]),
    ("buffer_layout fresh", {**SINGLE, "size_bytes": 64}, NS, "buffer_layout", ["same", "fresh"]),
    ("buffer_layout page", SINGLE, NS, "buffer_layout", ["page", "same"]),
    ("buffer_count", {**SINGLE, "size_bytes": 64, "buffer_layout": "page"}, NS, "buffer_count",
         [1, 4]),
    ("numa", {**SINGLE, "dest": "memory"}, NS, "numa", ["local", "dst_remote"]),
    ("devtlb", SINGLE, NS, "devtlb", ["hit", "miss"]),
    ("devtlb hit across pages", {**SINGLE, "size_bytes": 65536}, NS, "devtlb", ["hit", "natural"]),
    ("devtlb in a window", {**WINDOW, "queue_depth": 1, "size_bytes": 64}, MOPS, "devtlb",
         ["miss", "hit"]),
    ("devtlb in a batch", {**BATCH, "size_bytes": 64}, NS, "devtlb", ["hit", "miss"]),
    ("rebuild", {**BURST, "size_bytes": 64, "batch_size": 64, "engines": 4}, MOPS, "rebuild",
         ["timed", "untimed"]),
    ("queue_depth", WINDOW, GBPS, "queue_depth", [1, 4, 16]),
    ("burst", BURST, GBPS, "burst", [1, 8]),
    ("batch_size", {**BURST, "size_bytes": 64}, MOPS, "batch_size", [1, 16]),
    ("outstanding", PIPELINE, GBPS, "outstanding", [1, 4]),
    ("wait", {**BURST, "size_bytes": 64, "engines": 4, "burst": 32}, MOPS, "wait", ["all",
         "last"]),
    ("clock_start", {**WINDOW, "queue_depth": 32, "iterations": 64}, GBPS, "clock_start",
         ["before_first", "after_fill"]),
    ("span", SINGLE, NS, "span", ["submit", "wait", "total"]),
    ("normalize", BATCH, NS, "normalize", ["per_descriptor", "none"]),
    ("split over devices", {**SPLIT, "size_bytes": 1048576}, GBPS, "devices", [1, 2, 4]),
    ("page_list huge.split", {**PAGES, "devices": 4, "huge": {"count": 1, "size_bytes": 1048576,
         "split": 1}},
     GBPS, "huge.split", [1, 4]),
    ("page_list small.count", PAGES, NS, "small.count", [8, 64]),
    ("page_list small_executor", {**PAGES, "small": {"count": 64, "size_bytes": 4096}}, NS,
         "small_executor", ["dsa", "cpu"]),
    ("shared: depth of the other", SHARED, GBPS, "clients.1.queue_depth", [16, 1]),
    ("shared: pattern", {**SHARED, "clients": [{**SHARED["clients"][0], "size_bytes": 64,
         "batch_size": 32, "burst": 4,
                                                "outstanding": 4}]}, GBPS, "clients.0.pattern",
     ["single", "burst", "batch_pipeline"]),
    ("trace: label", TRACE, COUNT, "trace.1.src", ["D", "A"]),
    ("trace: counted", TRACE, COUNT, "trace.0.counted", [True, False]),
    ("trace: repeat", TRACE, COUNT, "repeat", [1, 2]),
    ("link", {**NIC, "read_bytes": 2048}, NS, "link", ["pcie_gen4_x16", "pcie_gen3_x8",
         "pcie_gen1_x1"]),
    ("path", NIC, NS, "path", ["direct", "dma_engine"]),
    ("read_bytes", NIC, NS, "read_bytes", [64, 1024]),
    ("window_bytes", NIC, NS, "window_bytes", [65536, 16777216]),
    ("iommu", {**NIC, "window_bytes": 16777216}, NS, "iommu", [False, True]),
    ("random", {**NIC, "window_bytes": 16777216}, NS, "random", [False, True]),
    ("nic buffers", NIC, NS, "buffers", ["device_warm", "flushed"]),
    ("nic outstanding", NIC, MOPS, "outstanding", [1, 8, "max"]),
    ("walk_reads_per_block", STREAM, GBPS, "walk_reads_per_block", [4.36, 1.76]),
    ("outstanding_walks", STREAM, GBPS, "outstanding_walks", [1, 4]),
    ("targets", INVALIDATE, NS, "targets", [["iotlb"], ["iotlb", "devtlb"]]),
    ("submissions", {**INVALIDATE, "targets": ["iotlb", "devtlb"]}, NS, "submissions", [1, 2]),
    ("backing of a device's fault", IOPF, NS, "backing", ["memory", "storage"]),
    ("block_on_fault", IOPF, NS, "block_on_fault", [False, True]),
    ("backing of a processor's fault", CPUPF, NS, "backing", ["memory", "storage"]),
    ("handler", VMEXIT, NS, "handler", ["L0_kernel", "L0_user"]),
    ("nested handler", {**VMEXIT, "level": "L2"}, NS, "handler", ["L0_kernel", "L1_kernel",
         "L1_user"]),
    ("primitive", PRIMITIVE, NS, "primitive", ["syscall", "file_page_fault", "context_switch",
         "pipe_1B"]),
    ("cpu_ghz", {**SINGLE, "executor": "cpu"}, NS, "cpu_ghz", [3.2, 1.6]),
    ("cpu_ghz of a primitive", {**PRIMITIVE, "primitive": "pipe_1B"}, NS, "cpu_ghz", [3.2, 1.6]),
]
# name, experiment, field, value, what the message says.
REFUSED = [
    ("unknown field", WINDOW, "sise_bytes", 64, "no field"),
    ("unknown value", WINDOW, "buffers", "hot", "cannot be"),
    ("unknown pattern", WINDOW, "pattern", "windows", "cannot be"),
    ("wrong type", WINDOW, "size_bytes", "4096", "takes an integer"),
    ("a list for a number", WINDOW, "queue_depth", [8], "takes an integer"),
    ("an object for a string", WINDOW, "op", {}, "cannot be"),
    ("negative", WINDOW, "iterations", -1, "takes an integer"),
    ("fraction", WINDOW, "queue_depth", 1.5, "takes an integer"),
    ("beyond 64 bits", WINDOW, "iterations", 10 ** 30, "takes an integer"),
    ("size 0", WINDOW, "size_bytes", 0, "has a size"),
    ("size above the device's", SINGLE, "size_bytes", 2 ** 31 + 1, "bytes of a descriptor"),
    ("batch above the device's", BATCH, "batch_size", 1025, "members of a batch"),
    ("queue depth 0", WINDOW, "queue_depth", 0, "at least 1"),
    ("iterations 0", WINDOW, "iterations", 0, "at least 1"),
    ("submitters 0", WINDOW, "submitters", 0, "at least 1"),
    ("devices 0", WINDOW, "devices", 0, "at least 1"),
    ("engines 0", WINDOW, "engines", 0, "at least 1"),
    ("engines above the device's", WINDOW, "engines", 9, "engines of a device"),
    ("entries above the device's", WINDOW, "wq.size", 129, "entries of a device"),
    ("no entries", WINDOW, "wq.size", 0, "at least one entry"),
    ("threshold above size", WINDOW, "wq.threshold", 33, "threshold"),
    ("endless window", WINDOW, "iterations", 10 ** 12, "at most"),
    ("endless transfers", {**SPLIT, "iterations": 10 ** 6}, "size_bytes", 2 ** 30, "at most"),
    ("more memory than there is", {**WINDOW, "queue_depth": 65536}, "size_bytes", 2 ** 30,
         "at most"),
    ("executor mixed", WINDOW, "executor", "mixed", "page list"),
    ("page size", WINDOW, "page_size", 8192, "4096 or 2097152"),
    ("empty page list", {**PAGES, "small": {"count": 0}}, "huge.count", 0, "huge or small"),
    ("no clients", SHARED, "clients", [], "no client is measured"),
    ("a client nobody measures", SHARED, "clients.0.measured", False, "no client is measured"),
    ("a client's queue that is not there", SHARED, "clients.0.wq", 2, "there is no workqueue"),
    ("a dedicated queue of two", SHARED, "clients.1.wq", 0, "one client"),
    ("the wrong instruction for a queue", WINDOW, "submit", "enqcmd", "dedicated workqueue"),
    ("no steps", TRACE, "trace", [], "no steps"),
    ("a step without an operand", TRACE, "trace.0.src", "", "names the pages"),
    ("a step's queue that is not there", TRACE, "trace.0.wq", [1, 0], "not there"),
    ("a window smaller than a read", NIC, "window_bytes", 32, "holds a read"),
    ("a window of a terabyte", NIC, "window_bytes", 2 ** 40, "bytes of the window"),
    ("unknown link", NIC, "link", "pcie_gen3_x3", "cannot be"),
    ("no targets", INVALIDATE, "targets", [], "has targets"),
    ("unknown target", INVALIDATE, "targets", ["tlb"], "cannot be"),
    ("too many pages", INVALIDATE, "pages", 2 ** 40, "at most"),
    ("unknown handler", VMEXIT, "handler", "L3", "one of"),
    ("unknown level", VMEXIT, "level", "L7", "one of"),
    ("unknown primitive", PRIMITIVE, "primitive", "fork", "one of"),
    ("a clock of 0", PRIMITIVE, "cpu_ghz", 0, "at least 1"),
]


def point_of(name, experiment, metric, field, values):
    return {"id": name, "row": name, "testbed": "-", "source": "-", "tag": "DER",
         "experiment": experiment,
            "metric": metric, "x": {"name": field, "values": values},
                 "measured": [1] * len(values),
            "tolerance": 0.1}


def write(path, points):
    with open(path, "w") as out:
        json.dump({"format": "timing-points/1", "set": "fields", "points": points}, out, indent=1)


def run(arguments):
    return subprocess.run([IOASIM, "bench", "points"] + arguments, capture_output=True, text=True,
                          timeout=TIME_LIMIT, check=False)


def verdict(name, problem):
    print(f"ok {name}" if not problem else f"FAIL {name}: {problem}", flush=True)
    return not problem


def with_field(experiment, field, value):
    changed = copy.deepcopy(experiment)
    at = changed
    *path, last = field.split(".")
    for key in path:
        at = at[int(key)] if isinstance(at, list) else at[key]
    at[last] = value
    return changed


def check_rising(folder, wanted):
    cases = [c for c in RISING if wanted in c[0]]
    path = os.path.join(folder, "rising.json")
    # The field is there before x replaces it.
    write(path, [point_of(n, with_field(e, f, v[0]), m, f, v) for n, e, m, f, v in cases])
    if not cases:
        return 0, 0
    done = run([path, "--json"])
    try:
        rows = {row["row"]: row for row in json.loads(done.stdout)["rows"]}
    except ValueError:
        verdict("fields", done.stderr.strip() or "no result")
        return 0, len(cases)
    bad = 0
    for name, _, _, _, _ in cases:
        values = rows[name]["points"][0]["values"]
        results = [v.get("simulated") for v in values]
        problem = next((v["problem"] for v in values if v.get("problem")), "")
        if not problem and any(r is None for r in results):
            problem = "no result"
        if not problem and any(b < a * 1.01 for a, b in zip(results, results[1:])):
            problem = "does not rise: " + ", ".join(f"{v['x']} {v['simulated']:g}" for v in values)
        bad += not verdict("field " + name, problem)
    return len(cases) - bad, bad


def check_refused(folder, wanted):
    good = bad = 0
    for name, experiment, field, value, text in REFUSED:
        if wanted not in name:
            continue
        path = os.path.join(folder, "refused.json")
        write(path, [point_of("P", with_field(experiment, field, value), NS, "notes", ["x"])])
        with open(path) as source:
            written = json.load(source)
        # Nothing is replaced: the client that is read.
        written["points"][0]["x"] = {"name": "client", "values": [0]}
        with open(path, "w") as out:
            json.dump(written, out, indent=1)
        try:
            done = run([path])
            problem = "" if done.returncode == 2 else f"exit code {done.returncode}"
            said = done.stderr
            if not problem and f"{path}:" not in said:
                problem = "names no place: " + said.strip()
            if not problem and text not in said:
                problem = "says: " + said.strip().splitlines()[0]
        except subprocess.TimeoutExpired:
            problem = "does not end"
        right = verdict("refused " + name, problem)
        good += right
        bad += not right
    return good, bad


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory() as folder:
        counts = check_rising(folder, wanted), check_refused(folder, wanted)
    failed = counts[0][1] + counts[1][1]
    print(f"{counts[0][0] + counts[1][0]} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
