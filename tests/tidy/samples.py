"""For each rule a small tree that breaks it, and exactly what the rule must report there. A rule
that cannot fail, or that reports what is right, is noticed."""

H = "// About.\n#pragma once\n"  # the start of a header that is in order
TABLE = "Words.\n\n| feature | state |\n|---|---|\n"


def rows(*ids, extra=""):
    items = (f'{{"id": "{i}", "statement": "s{i}"{extra}}}' for i in ids)
    return '{"rows": [' + ", ".join(items) + "]}"


# rule -> (files, list of statements or None, expected (path, line))
SAMPLES = {
    "arrows": ({
        "core/base/a.cpp": '#include "core/base/a.hpp"\n#include "core/trace/event.hpp"\n',
        "core/sim/s.cpp": '#include "core/trace/event.hpp"\n#include "core/ioasid/core.hpp"\n',
        "models/dsa/d.cpp": '#include "models/vtd/vtd_layout.hpp"\n'
                            '#include "models/pcie/pcie_if.hpp"\n'
                            '#include "models/vtd/vtd.hpp"\n'
                            '#include "models/platform/config.hpp"\n',
        "models/platform/p.cpp": '#include "models/vtd/vtd.hpp"\n#include "traces/vcd_sink.hpp"\n',
        "traces/t.cpp": '#include "core/trace/event.hpp"\n#include "core/sim/module.hpp"\n',
        "scenarios/language/l.cpp": '#include "models/platform/config.hpp"\n'
                                    '#include "models/vtd/vtd.hpp"\n#include "tools/cli/x.hpp"\n',
        "tools/cli/c.cpp": '#include "tools/cli/bench/bench.hpp"\n'
                           '#include "models/dsa/device.hpp"\n',
        "tests/unit/t.cpp": '#include "models/vtd/vtd.hpp"\n',
    }, None, [("core/base/a.cpp", 2), ("core/sim/s.cpp", 2), ("models/dsa/d.cpp", 3),
              ("models/dsa/d.cpp", 4), ("models/platform/p.cpp", 2), ("traces/t.cpp", 2),
              ("scenarios/language/l.cpp", 2), ("scenarios/language/l.cpp", 3),
              ("tools/cli/c.cpp", 2)]),
    "include_paths": ({
        "models/dsa/d.cpp": '#include "../vtd/vtd.hpp"\n#include "device.hpp"\n'
                            '#include "models/dsa/device.hpp"\n#include "models/../x.hpp"\n',
    }, None, [("models/dsa/d.cpp", 1), ("models/dsa/d.cpp", 2), ("models/dsa/d.cpp", 4)]),
    "kernel_include": ({
        "core/sim/module.cpp": "#include <systemc>\n",
        "core/sim/module.hpp": "#include <systemc>\n",
        "models/dsa/d.cpp": "#include <systemc.h>\n#include <tlm>\n",
    }, None, [("core/sim/module.hpp", 1), ("models/dsa/d.cpp", 1), ("models/dsa/d.cpp", 2)]),
    "json_include": ({
        "models/dsa/d.cpp": "#include <nlohmann/json.hpp>\n",
        "traces/t.cpp": "#include <nlohmann/json.hpp>\n",
        "traces/t.hpp": "#include <nlohmann/json.hpp>\n",
        "traces/u.hpp": "#include <nlohmann/json_fwd.hpp>\n",
    }, None, [("models/dsa/d.cpp", 1), ("traces/t.hpp", 1)]),
    "test_library_include": ({
        "core/base/a.hpp": "#include <doctest/doctest.h>\n",
        "tests/support/a.hpp": "#include <doctest/doctest.h>\n",
    }, None, [("core/base/a.hpp", 1)]),
    "banned_calls": ({
        "core/base/a.cpp": "int a = rand();\nint b = operand(1);\n// rand() in words\n"
                           'auto c = "rand()";\n',
        "core/base/b.cpp": "std::random_device d;\nstd::uniform_int_distribution<int> u;\n"
                           "std::hash<Task*> h;\nstd::hash<int> i;\n",
        "core/base/c.cpp": "auto t = std::chrono::steady_clock::now();\ntime(nullptr);\n"
                           "t.time(nullptr);\n",
        "core/sim/d.cpp": "sc_trace(f, s);\nsc_spawn(x);\nSC_REPORT_INFO(a, b);\nSC_MODULE(m) {};\n"
                          "tlm_utils::peq_with_cb_and_phase<M> p;\n",
        "core/sim/task.cpp": "sc_spawn(x);\nsc_trace(f, s);\n",
        "models/dsa/e.cpp": "assert(x);\nstatic_assert(x);\nstd::abort();\nqueue.abort();\n"
                            'printf("x");\nsnprintf(b, 2, "x");\ndouble d = 0;\nexit(1);\n'
                            "void abort(int wq);\nvoid Device::abort(int wq) {\n"
                            "    abort(names),\n",
        "tools/cli/f.cpp": 'exit(1);\nstd::printf("x");\ndouble d;\n',
    }, None, [("core/base/a.cpp", 1), ("core/base/b.cpp", 1), ("core/base/b.cpp", 2),
              ("core/base/b.cpp", 3), ("core/base/c.cpp", 1), ("core/base/c.cpp", 2),
              ("core/sim/d.cpp", 1), ("core/sim/d.cpp", 2), ("core/sim/d.cpp", 3),
              ("core/sim/d.cpp", 4), ("core/sim/d.cpp", 5), ("core/sim/task.cpp", 2),
              ("models/dsa/e.cpp", 1),
              ("models/dsa/e.cpp", 3), ("models/dsa/e.cpp", 5), ("models/dsa/e.cpp", 7),
              ("models/dsa/e.cpp", 8)]),
    "hash_order": ({
        "models/dsa/d.hpp": "std::unordered_map<int, int> live_;\nstd::map<int, int> ordered_;\n",
        "models/dsa/d.cpp": "for (const auto& [a, b] : live_) {\nfor (auto& x : ordered_) {\n"
                            "auto i = live_.begin();\nauto j = live_.find(3);\n",
        "models/vtd/v.cpp": "for (auto& x : live_) {\n",
    }, None, [("models/dsa/d.cpp", 1), ("models/dsa/d.cpp", 3)]),
    "time_literals": ({
        "models/dsa/d.cpp": "spend(50_ns);\nreturn now + 1_ps;\nwait(2_ps);\nTimePs t = 0_ps;\n",
        "models/dsa/dsa_params.cpp": "t.time(50_ns);\n",
        "core/sim/s.cpp": "TimePs t = 1_ns;\n",
    }, None, [("models/dsa/d.cpp", 1), ("models/dsa/d.cpp", 3)]),
    "file_length": ({"core/base/a.cpp": "\n" * 601, "core/base/b.cpp": "\n" * 600,
                     "README.md": "\n" * 700}, None, [("core/base/a.cpp", 0)]),
    "line_length": ({"core/base/a.cpp": "x" * 100 + "\n" + "x" * 101 + "\n" + "ä" * 100 + "\n"},
                    None, [("core/base/a.cpp", 2)]),
    "header_form": ({"core/base/a.hpp": H, "core/base/b.hpp": "// About.\n",
                     "core/base/c.hpp": "#pragma once\n"},
                    None, [("core/base/b.hpp", 0), ("core/base/c.hpp", 1)]),
    "folder_readmes": ({
        "core/base/a.cpp": "", "core/base/README.md": TABLE + "| a | functional: yes |\n",
        "core/sim/a.cpp": "", "core/sim/README.md": TABLE + "| a | absent |\n| b | partly |\n",
        "models/dsa/a.cpp": "", "models/vtd/a.cpp": "", "models/vtd/README.md": "Words.",
        "scenarios/language/a.cpp": "",
    }, None, [("core/sim/README.md", 0), ("models/dsa/README.md", 0),
              ("models/vtd/README.md", 0)]),
    "top_level": ({"README.md": "", "notes.txt": "", "build.sh": "", ".gitignore": "",
                   "core/base/a.cpp": ""}, None, [("notes.txt", 0), ("build.sh", 0)]),
    "words": ({"core/base/a.cpp": "// TODO\nint stubborn;\n// a stub\n// valid for nowhere\n",
               "core/base/README.md": "This is good for now.\n"},
              None, [("core/base/a.cpp", 1), ("core/base/a.cpp", 3), ("core/base/README.md", 1)]),
    "machine_paths": ({"scenarios/x.json": '"/home/me/x"\n"./work/x"\n"tests/tmp/x"\n'},
                      None, [("scenarios/x.json", 1)]),
    "outside_documents": ({"core/base/a.hpp": "// see timing.md\n// see VT-d 9.4\n// shared/x\n"},
                          None, [("core/base/a.hpp", 1), ("core/base/a.hpp", 3)]),
    "rows_list": ({
        "tests/rows.json": rows("D01", "D02", "D04"),
        "scenarios/a.json": '{"covers": ["D01", "D99"]}',
    }, "| D01 | sD01 |\n| D02 | another text |\n| D03 | sD03 |\n| D04 | sD04 |\n",
        [("tests/rows.json", 0), ("tests/rows.json", 0), ("scenarios/a.json", 0)]),
    "row_tests": ({
        "tests/rows.json": rows("Q01", extra=', "tests": ["time: adds", "time: missing"]'),
        "tests/unit/t.cpp": 'TEST_CASE("time: adds") {}\n',
    }, None, [("tests/rows.json", 0)]),
    "probes_used": ({
        "models/dsa/dsa_probes.hpp": 'inline const Defect kUsed{"a", "b"};\n'
                                     'inline const Mark kIdle{"c", "d"};\n',
        "models/dsa/d.cpp": "if (probes.has(kUsed)) {}\n// kIdle in words\n",
    }, None, [("models/dsa/dsa_probes.hpp", 0)]),
}
