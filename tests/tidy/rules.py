"""The rules of the house. A rule takes a Tree and yields (path, line, message); line 0 means the
whole file. RULES at the end lists them; samples.py holds for each rule what it must find."""

import json
import re
from pathlib import PurePosixPath

MODELS = ["memory", "pcie", "vtd", "dsa", "requester", "cpu", "linux", "vm"]
TOP_LEVEL = {"CMakeLists.txt", "README.md", "CMakePresets.json", "core", "models", "scenarios",
             "traces", "tests", "tools"}
MAX_LINES = 600
MAX_COLUMNS = 100


class Tree:
    """Files of the project by path, as text; binary files hold None."""

    def __init__(self, files, statements=None):
        self.files = files
        self.statements = statements  # text of the list of statements, when it is at hand

    def text(self, pattern):
        """(path, text) of text files whose path matches."""
        regex = re.compile(pattern)
        for path in sorted(self.files):
            if self.files[path] is not None and regex.search(path):
                yield path, self.files[path]

    def lines(self, pattern):
        for path, text in self.text(pattern):
            for number, line in enumerate(text.splitlines(), 1):
                yield path, number, line

    def code(self, pattern):
        """Lines of C++ with comments and the insides of strings blanked."""
        for path, text in self.text(pattern):
            for number, line in enumerate(strip_comments(text).splitlines(), 1):
                yield path, number, line


def strip_comments(text):
    def blank(match):
        found = match.group(0)
        if found.startswith(("//", "/*")):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + " " * (len(found) - 2) + found[-1]
    token = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\''
    return re.sub(token, blank, text, flags=re.S)


CPP = r"\.(cpp|hpp)$"
SOURCES = r"\.(cpp|hpp|py|sh|cmake)$|CMakeLists\.txt$|^tools/(run|test)$|^\.ci/run$"
SIMULATED = r"^(core|models)/.*" + CPP  # what runs in simulated time
PRODUCT = r"^(core|models|traces|scenarios)/.*" + CPP


# --- arrows ------------------------------------------------------------------------------------

def allowed_folders(path):
    """What a file may include: (folders seen whole, folders seen through _if and _layout)."""
    core = ["core/base", "core/trace", "core/sim", "core/ioasid"]
    models = ["models/" + m for m in MODELS]
    parts = PurePosixPath(path).parts
    if parts[0] == "core":
        return core[:core.index("core/" + parts[1]) + 1], []
    if parts[0] == "models":
        own = "models/" + parts[1]
        return (core + models + [own], []) if parts[1] == "platform" else (core + [own], models)
    if parts[0] == "traces":
        own = ["traces/" + parts[1]] if len(parts) > 2 else []
        return core[:2] + ["traces"] + own, []
    if parts[:2] == ("scenarios", "language"):
        return core + ["traces", "models/platform", "scenarios/language"], models
    if parts[0] == "tools":
        folders = ["traces", "traces/", "models/platform", "scenarios/language", "tools/"]
        return core + folders, models
    return None, None  # tests see everything


def arrows(tree):
    for path, number, line in tree.lines(CPP):
        found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        whole, parts = allowed_folders(path)
        if not found or whole is None:
            continue
        target = found.group(1)
        folder = str(PurePosixPath(target).parent)
        if any(folder == w or (w.endswith("/") and target.startswith(w)) for w in whole):
            continue
        if folder in parts and re.search(r"_(if|layout)\.hpp$", target):
            continue
        yield path, number, f"may not include {target}"


def include_paths(tree):
    """Quoted includes name the whole path from the root, so that no rule can be walked around."""
    for path, number, line in tree.lines(CPP):
        found = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if found and (".." in found.group(1) or
                      not re.match(r"(core|models|traces|scenarios|tools|tests)/", found.group(1))):
            yield path, number, "quoted includes are full paths from the root"


# The headers that have to know the kernel: nobody else may include them.
KERNEL_HEADERS = ("core/sim/alarm.hpp", "core/sim/task.hpp")


def kernel_include(tree):
    for path, number, line in tree.lines(CPP):
        if path in KERNEL_HEADERS or re.match(r"core/sim/[^/]+\.cpp$", path):
            continue
        headers = "|".join(KERNEL_HEADERS)
        if re.match(r"\s*#\s*include\s+([<\"](systemc|tlm|sysc/)|\"(" + headers + "))", line):
            yield path, number, f"<systemc> and {' and '.join(KERNEL_HEADERS)} " \
                                "are for core/sim/*.cpp"


def json_include(tree):
    for path, number, line in tree.lines(CPP):
        if re.match(r"\s*#\s*include\s+<nlohmann/", line):
            if not re.match(r"(scenarios/language|traces|tools|tests)/", path):
                yield path, number, "JSON types are for scenarios/language, traces and tools"
            elif path.endswith(".hpp") and "json_fwd" not in line:
                yield path, number, "headers include nlohmann/json_fwd.hpp"


def test_library_include(tree):
    for path, number, line in tree.lines(r"\.hpp$"):
        if re.match(r"\s*#\s*include\s+<doctest/", line) and not path.startswith("tests/"):
            yield path, number, "doctest is for tests"


# --- calls that break determinism, or belong elsewhere ------------------------------------------

BANNED = [
    (PRODUCT, r"(?<![\w.>])s?rand\s*\(", "rand: use RandomStream"),
    (PRODUCT, r"\brandom_device\b|\b(uniform|normal|bernoulli)_\w*distribution\b|\bmt19937",
     "host randomness: use RandomStream"),
    (PRODUCT, r"\bhash\s*<[^<>]*\*\s*>", "a hash of a pointer differs in each process"),
    (PRODUCT, r"\b(system|steady|high_resolution)_clock\b|\bgettimeofday\b|\bclock_gettime\b"
              r"|\blocaltime|\bgmtime|(?<![\w.>])time\s*\(\s*(nullptr|NULL|0)\s*\)",
     "wall clock"),
    (PRODUCT, r"\bsc_trace\b|\bsc_create_vcd_trace_file\b", "sc_trace polls: emit an event"),
    (PRODUCT, r"\bpeq_with_(cb_and_phase|get)\b", "use Timeline"),
    # A thread of the pool itself is made there, once for many tasks.
    (r"(?!core/sim/task\.cpp$)" + PRODUCT, r"\bsc_spawn\b",
     "tasks come from the pool of the Dispatcher"),
    (PRODUCT, r"\bSC_REPORT_(INFO|WARNING)\b", "emit an event"),
    (PRODUCT, r"\bSC_(MODULE|CTOR)\s*\(", "derive from sc_module with a constructor"),
    (PRODUCT, r"(?<![\w.>])assert\s*\(|#\s*include\s*<cassert>", "use SIM_CHECK"),
    (SIMULATED, r"\bstd::(abort|exit|quick_exit)\s*\(|(^|[;{})])\s*(_exit|exit)\s*\(",
     "only tools end a run"),
    (SIMULATED, r"\bstd::(cout|cerr|clog)\b|(?<![\w.>:])(std::)?f?printf\s*\(|\bfmt::print\b"
                r"|(?<![\w.>])(std::)?f?puts\s*\(", "only tools print"),
    (SIMULATED, r"\b(float|double)\b", "integers only: rounding differs between hosts"),
    (SIMULATED, r"\bdynamic_cast\b|\btypeid\b", "ask through an interface"),
]


def banned_calls(tree):
    for pattern, regex, why in BANNED:
        compiled = re.compile(regex)
        for path, number, line in tree.code(pattern):
            if compiled.search(line):
                yield path, number, why


def hash_order(tree):
    """Iterating a hash container leaks its order; looking up does not."""
    declared = {}
    kind = re.compile(r"\b(unordered_(?:multi)?(?:map|set)|flat_hash_(?:map|set)|robin_(?:map|set))"
                      r"\s*<.*>\s*&?\s*(\w+)\s*[;={(]")
    for path, _, line in tree.code(PRODUCT):
        found = kind.search(line)
        if found:
            declared.setdefault(str(PurePosixPath(path).parent), set()).add(found.group(2))
    for path, number, line in tree.code(PRODUCT):
        for name in declared.get(str(PurePosixPath(path).parent), ()):
            walks = rf"\bfor\s*\(.*:\s*(\w+(\.|->))*{name}\s*\)|\b{name}\s*(\.|->)\s*c?begin\s*\("
            if re.search(walks, line):
                yield path, number, f"iterates {name}, a hash container"


def time_literals(tree):
    """A latency is a parameter with a source, never a literal in code."""
    literal = re.compile(r"(?<!\w)[\d']+_(ns|us|ms)\b|(?<![\w'])(?!0_ps|1_ps)[\d']+_ps\b")
    for path, number, line in tree.code(r"^(models|core/ioasid)/.*" + CPP):
        if "param" not in PurePosixPath(path).name and literal.search(line):
            yield path, number, "a time literal: make it a parameter"


# --- shape -------------------------------------------------------------------------------------

def file_length(tree):
    for path, text in tree.text(SOURCES):
        count = text.count("\n")
        if count > MAX_LINES:
            yield path, 0, f"{count} lines, at most {MAX_LINES}: split by concern"


def line_length(tree):
    for path, number, line in tree.lines(SOURCES):
        if len(line) > MAX_COLUMNS and "http" not in line:
            yield path, number, f"{len(line)} columns, at most {MAX_COLUMNS}"


def header_form(tree):
    for path, text in tree.text(r"\.hpp$"):
        if "\n#pragma once\n" not in "\n" + text:
            yield path, 0, "a header needs #pragma once"
        if not text.startswith("//"):
            yield path, 1, "a header starts with what it is about"


def folder_readmes(tree):
    folders = {str(PurePosixPath(path).parent) for path, _ in tree.text(PRODUCT)
               if not path.startswith("scenarios/")}
    for folder in sorted(folders):
        path = folder + "/README.md"
        text = tree.files.get(path)
        if text is None:
            yield path, 0, "every folder of core, models and traces has one"
            continue
        table = re.search(r"^\| feature \|.*\n\|[-| :]+\|\n((?:\|.*\n?)+)", text, re.M)
        if not table:
            yield path, 0, "lacks the table that starts | feature |"
            continue
        for row in table.group(1).splitlines():
            if not re.match(r"\|[^|]+\|\s*\**(functional|stored|absent)\b", row):
                yield path, 0, f"neither functional, stored nor absent: {row}"


def top_level(tree):
    for entry in sorted({path.split("/")[0] for path in tree.files}):
        if entry not in TOP_LEVEL and not entry.startswith("."):
            yield entry, 0, "does not belong at the top level"


# --- words -------------------------------------------------------------------------------------

WORDS = r"\b(TODO|FIXME|XXX|HACK|hack|stub|placeholder|not implemented|hard-?coded)\b|\bfor now\b"
PLACES = r"(?<![\w.])/(work|tmp|home|root|Users)/"
PAPERS = r"\b(timing|style|design|rows|ecosystem)\.md\b|\breference/|\bshared/"


def words(tree):
    for path, number, line in tree.lines(SOURCES + r"|\.md$"):
        found = re.search(WORDS, line)
        if found and not path.startswith("tests/tidy/"):
            yield path, number, f"unfinished: {found.group(0)!r}"


def machine_paths(tree):
    for path, number, line in tree.lines(r""):
        if re.search(PLACES, line) and not path.startswith(("tests/tidy/", "tests/vectors/")):
            yield path, number, "an absolute path of a machine"


def outside_documents(tree):
    """The project is complete on its own: it names specifications and publications."""
    for path, number, line in tree.lines(SOURCES + r"|\.md$|\.json$"):
        if re.search(PAPERS, line) and not path.startswith("tests/tidy/"):
            yield path, number, "names a document that is not part of the project"


# --- lists that must agree ----------------------------------------------------------------------

def parse_statements(text):
    return dict(re.findall(r"^\| ([A-Z]+\d+) \| (.*?) \|$", text, re.M))


def rows_list(tree):
    path = "tests/rows.json"
    try:
        rows = json.loads(tree.files.get(path) or "")["rows"]
        known = {row["id"]: row["statement"] for row in rows}
    except (ValueError, KeyError, TypeError) as error:
        yield path, 0, f"cannot be read: {error!r}"
        return
    if len(known) != len(rows):
        yield path, 0, "an id stands twice"
    if tree.statements is not None:
        wanted = parse_statements(tree.statements)
        for row in sorted(wanted.keys() | known.keys()):
            if wanted.get(row) != known.get(row):
                yield path, 0, f"{row} differs from the list of statements"
    for scenario, text in tree.text(r"^scenarios/.*\.jsonc?$"):
        covers = re.search(r'"covers"\s*:\s*\[([^\]]*)\]', text)
        for row in re.findall(r'"([^"]+)"', covers.group(1)) if covers else []:
            if row not in known:
                yield scenario, 0, f"covers {row}, which is no row"


def row_tests(tree):
    """A row may name a test that proves it; the test must be there."""
    try:
        rows = json.loads(tree.files.get("tests/rows.json") or "")["rows"]
    except (ValueError, KeyError):
        return  # rows_list reports that
    code = "\n".join(text for _, text in tree.text(r"^tests/.*\.cpp$"))
    for row in rows:
        for test in row.get("tests", []):
            if test not in tree.files and f'"{test}"' not in code:
                yield "tests/rows.json", 0, f"{row['id']}: there is no test {test!r}"


def probes_used(tree):
    """A defect, fault site or mark that no code asks about cannot break or show anything."""
    code = {path: strip_comments(text) for path, text in tree.text(PRODUCT)}
    for path, text in code.items():
        for kind, name in re.findall(r"inline const (Defect|FaultSite|Mark) (k\w+)", text):
            uses = sum(len(re.findall(rf"\b{name}\b", other)) for other in code.values())
            if uses < 2:
                yield path, 0, f"{kind} {name} is declared and never asked"


RULES = [arrows, include_paths, kernel_include, json_include, test_library_include, banned_calls,
         hash_order, time_literals, file_length, line_length, header_form, folder_readmes,
         top_level, words, machine_paths, outside_documents, rows_list, row_tests, probes_used]
