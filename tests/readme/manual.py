"""Does the manual of the scenario language tell the truth?

  manual.py snippets MANUAL IOASIM   each step and expectation in its tables is accepted
  manual.py keys MANUAL IOASIM       each key of the language is mentioned
"""

import json
import pathlib
import re
import subprocess
import sys

PLATFORM = {
    "iommus": [{"name": "iommu0"}],
    "devices": [{"name": "dsa0", "iommu": "iommu0", "workqueues": [{"name": "wq0"}]}],
}
# The same with a second host, for what moves there.
TWO_HOSTS = {
    "hosts": [{"name": "target"}],
    "iommus": PLATFORM["iommus"] + [{"name": "iommu1", "host": "target"}],
    "devices": PLATFORM["devices"] +
    [{"name": "dsa1", "iommu": "iommu1", "workqueues": [{"name": "wq0"}]}],
}
SUBMIT = {"submit": {"to": "dsa0/wq0", "pasid": "A"}}


KERNEL = {
    "blocks": [{"name": "vdcm"}], "works": [{"name": "drain", "steps": [{"spend": "1us"}]}],
    "allocators": [{"name": "vcmd"}], "locks": [{"name": "mutex"}],
}
PROCESS_STEPS = ("bind", "unbind", "submit", "instruction", "wait", "open", "close", "mmap",
                 "munmap", "fork", "thread", "exec")
GUEST_STEPS = ("device_command", "queue_pasid", "panic")


def place(step):
    """Where a step of the manual belongs."""
    if any(key in step for key in GUEST_STEPS):
        return "vm1/vcpu0"
    return "host" if any(key in step for key in PROCESS_STEPS) else "vm1/vmm"


def scenario(steps, expect, on="vm1/vmm"):
    """One in which the steps and expectations of the manual have a meaning."""
    first = [{"alloc": "A", "set": "vm1"}] if on == "host/kernel" else [{"alloc": "A"}]
    first += [{"set_alloc": "S", "token": 1}] if on == "host/kernel" else []
    first += [{"mmap": "buf"}] if on == "host" else []
    children = [{"on": "host", "process": "child", "parent": "shown", "steps": [{"spend": "1ns"}]}
                for step in steps if "fork" in step or "thread" in step]
    return {
        "version": 1, "name": "snippet", "purpose": "of the manual",
        "platform": TWO_HOSTS if any("migrate" in step for step in steps) else PLATFORM,
        "vms": [{"name": "vm1", "mdevs": [{"name": "vdev0", "workqueue": "dsa0/wq0"}]}],
        "kernel": KERNEL,
        "programs": [
            {"on": "vm1/vcpu0", "process": "app", "steps": [{"alloc": "A"}, SUBMIT, SUBMIT]},
            {"on": "host", "process": "app", "steps": [{"bind": "A", "device": "dsa0"}, SUBMIT]},
            {"on": "host/kernel", "process": "owner", "mm": "qemu", "steps": [{"spend": "1ns"}]},
            {"on": on, "process": "shown", "steps": first + steps},
            *children,
        ],
        "expect": expect,
    }


def bare_scenario(step):
    """A bare program of one step, with the page tables that it may name."""
    tables = [{"page_table": name, "stage": "first"} for name in ("S", "T")]
    devices = [{"name": "dev0", "kind": "requester", "iommu": "iommu0"}] + PLATFORM["devices"]
    return {
        "version": 1, "name": "snippet", "purpose": "of the manual",
        "platform": {"iommus": PLATFORM["iommus"], "devices": devices},
        "programs": [{"on": "bare", "process": "shown", "steps": tables + [step]}],
        "expect": [{"ends": "idle"}],
    }


def vfio_scenario(step):
    """A process of one step that has opened a container and has a buffer."""
    first = [] if "container_open" in step else [{"container_open": "C"}]
    first += [] if "buffer" in step else [{"buffer": "B", "size": "4KiB"}]
    devices = [{"name": "nic0", "kind": "requester", "iommu": "iommu0"}] + PLATFORM["devices"]
    return {
        "version": 1, "name": "snippet", "purpose": "of the manual",
        "platform": {"iommus": PLATFORM["iommus"], "devices": devices},
        "programs": [{"on": "host", "process": "shown", "steps": first + [step]}],
        "expect": [{"ends": "idle"}],
    }


def rows(text, heading):
    """First cells of the tables below a heading: the forms shown there."""
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `{"):
            yield from re.findall(r"`(\{.*?\})`", line.split(" | ")[0])


def snippets(text, ioasim):
    bad = 0
    shown = [("step", s) for s in rows(text, "Programs and steps")]
    shown += [("call", s) for s in rows(text, "Kernel code")]
    shown += [("vfio", s) for s in rows(text, "Devices of processes (VFIO)")]
    shown += [("bare", s) for s in rows(text, "Bare programs")]
    shown += [("iommu", s) for s in rows(text, "Processes that use /dev/iommu")]
    shown += [("guest", s) for s in rows(text, "Drivers in a guest")]
    shown += [("expectation", s) for s in rows(text, "Expectations")]
    shown.append(("step", re.search(r"`(\{\"free\".*?\"error\".*?\})`", text).group(1)))
    for kind, snippet in shown:
        try:
            value = json.loads(snippet)
        except ValueError as error:
            print(f"no JSON: {snippet}: {error}")
            bad += 1
            continue
        if kind == "expectation":
            document = scenario([], [value])
        elif kind == "bare":
            document = bare_scenario(value)
        elif kind == "iommu":
            document = bare_scenario(value)
            first = [{"buffer": "B", "size": "4KiB"}] if "fault_read" in value else []
            document["programs"] = [{"on": "host", "process": "shown", "steps": first + [value]}]
            document["vms"] = [{"name": "vm1"}]
        elif kind == "vfio":
            document = vfio_scenario(value)
        elif kind == "guest":
            document = scenario([value], [{"invariants": "hold"}], "vm1/vcpu0")
        else:
            on = "host/kernel" if kind == "call" else place(value)
            document = scenario([value], [{"invariants": "hold"}], on)
        pathlib.Path("snippet.json").write_text(json.dumps(document), encoding="utf-8")
        result = subprocess.run([ioasim, "validate", "snippet.json"], capture_output=True,
                                text=True, check=False)
        if result.returncode != 0:
            print(f"refused: {snippet}\n{result.stderr}")
            bad += 1
    return bad == 0 and len(shown) > 60


def keys(text, ioasim):
    tables = subprocess.run([ioasim, "schema", "--tables"], capture_output=True, text=True,
                            check=True).stdout
    language = set()
    for line in tables.splitlines():
        cells = line.split(" | ")
        if not line.startswith("| `"):
            continue
        language.update(re.findall(r"`([$A-Za-z_]+)`", cells[0]))
        if len(cells) == 4:  # further keys of a step or an expectation, or a default
            language.update(set(re.findall(r"`([a-z_]+)`", cells[2])) - {"true", "false"})
    missing = sorted(k for k in language if not re.search(rf'[`"]{re.escape(k)}[`"]', text))
    for key in missing:
        print(f"the manual does not mention {key}")
    return not missing and len(language) > 60


def main():
    what, manual, ioasim = sys.argv[1:4]
    text = pathlib.Path(manual).read_text(encoding="utf-8")
    good = {"snippets": snippets, "keys": keys}[what](text, ioasim)
    return 0 if good else 1


sys.exit(main())
