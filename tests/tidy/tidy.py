#!/usr/bin/env python3
"""Checks the source against the rules of the house (rules.py), the rules against samples that break
them (samples.py), and that an include against the arrows does not compile.

usage: tidy.py [--build FOLDER] [--filter TEXT]
The last line is "N passed, N failed"."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rules  # noqa: E402
import samples  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def read_tree():
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True, check=False)
    if listed.returncode == 0:
        paths = [p for p in listed.stdout.decode().split("\0") if p]
    else:  # an unpacked archive
        paths = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()]
        paths = [p for p in paths if not p.startswith(("build/", "out/", ".git/"))]
    files = {}
    for path in paths:
        try:
            files[path] = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            files[path] = None
        except FileNotFoundError:
            continue  # deleted, and not yet committed
    statements = ROOT.parent / "shared" / "rows.md"
    return rules.Tree(files, statements.read_text() if statements.is_file() else None)


def check_rule(rule, tree):
    return [f"{path}:{line}: {message}" for path, line, message in rule(tree)]


def check_sample(rule):
    """The rule finds what is wrong in its sample, and nothing else."""
    if rule.__name__ not in samples.SAMPLES:
        return [f"rule {rule.__name__} has no sample that breaks it"]
    files, statements, expected = samples.SAMPLES[rule.__name__]
    found = sorted((path, line) for path, line, _ in rule(rules.Tree(files, statements)))
    if found == sorted(expected):
        return []
    missed = [f"missed {e}" for e in expected if e not in found]
    wrong = [f"reported {f} though it is right" for f in found if f not in expected]
    return missed + wrong or [f"reported {found}, expected {sorted(expected)}"]


def compiles(farm, header):
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "probe.cpp")
        source.write_text(f'#include "{header}"\n')
        done = subprocess.run(["g++", "-std=c++17", "-fsyntax-only", "-I", str(farm), str(source)],
                              capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stderr


def check_forbidden_includes(build, tree):
    """With the include folder that models/dsa is compiled with, layouts and interfaces of other
    models compile, and their implementation headers do not."""
    farm = build / "include-of" / "models_dsa"
    others = [path for path, _ in tree.text(r"^models/(?!dsa/).*\.hpp$")]
    shown = [p for p in others if p.endswith(("_if.hpp", "_layout.hpp"))]
    hidden = [p for p in others if p not in shown] + ["traces/jsonl_sink.hpp"]
    problems = [f"models/dsa sees {p}" for p in hidden if (farm / p).exists()]
    if not shown or len(hidden) < 2:
        return ["nothing to try: no headers of other models"]
    for header in shown[:1] + ["core/base/types.hpp"]:
        works, message = compiles(farm, header)
        if not works:
            problems.append(f"models/dsa cannot include {header}: {message}")
    for header in [h for h in hidden if (ROOT / h).exists()][:3]:
        works, message = compiles(farm, header)
        if works:
            problems.append(f"models/dsa can include {header}")
        elif "No such file" not in message:
            problems.append(f"{header} fails for another reason: {message}")
    return problems


def check_link_folders(build, _tree):
    """The include folders hold what the arrows allow, and no link that leads nowhere."""
    problems = []
    for farm in sorted((build / "include-of").iterdir()):
        parts = farm.name.split("_", 1)
        owner = "/".join(parts) + "/x.cpp" if parts[0] in ("core", "models") else None
        owner = {"traces": "traces/x.cpp", "scenarios_language": "scenarios/language/x.cpp",
                 "tools_cli": "tools/cli/x.cpp", "ioasim": "tools/cli/x.cpp"}.get(farm.name, owner)
        for link in sorted(farm.rglob("*.hpp")):
            header = str(link.relative_to(farm))
            if not link.exists():
                problems.append(f"{farm.name}: {header} is a stale link")
            probe = rules.Tree({owner: f'#include "{header}"\n'}) if owner else rules.Tree({})
            problems += [f"{farm.name}: {message}" for _, _, message in rules.arrows(probe)]
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, help="try its include folders")
    parser.add_argument("--filter", default="", help="only checks whose name holds this")
    options = parser.parse_args()
    tree = read_tree()
    checks = [(f"sample: {rule.__name__}", lambda rule=rule: check_sample(rule))
              for rule in rules.RULES]
    checks += [(rule.__name__, lambda rule=rule: check_rule(rule, tree)) for rule in rules.RULES]
    if options.build:
        checks += [("forbidden includes do not compile",
                    lambda: check_forbidden_includes(options.build, tree)),
                   ("include folders follow the arrows",
                    lambda: check_link_folders(options.build, tree))]
    passed = failed = 0
    for name, check in checks:
        if options.filter not in name:
            continue
        problems = check()
        passed += not problems
        failed += bool(problems)
        if problems:
            print(f"FAILED: {name}")
            for problem in problems:
                print(f"    {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
