# The suites of tools/test (bash). A suite answers one question; it is a function suite_NAME that
# counts through run_program (a program that ends "N passed, N failed") or each_case (a function for
# each line of its input: exit 0 passed, 77 skipped, anything else failed).

kSuites=(tidy unit module timing points
         random fuzz vectors scenario bad cli determinism golden
         proofs viewers readme)
kAllSuites=(browser format asan debug package cluster mutants)
# Only by name: a search takes as long as one lets it.
kNamedSuites=(libfuzzer)

# --- the suites ---------------------------------------------------------------------------------

# Does the source keep the rules of the house?
suite_tidy() { run_program python3 "$top/tests/tidy/tidy.py" --build "$build" --filter "$text"; }

# Does each part do what it says, alone?
suite_unit() { run_tests "$build/unit_tests"; }
suite_module() { run_tests "$build/module_tests"; }

# Is each latency tight: blocked one picosecond before, ready at the time?
suite_timing() { run_tests "$build/timing_tests"; }

# Does hardware as it was measured take as long here, row by row?
# And does every field of an experiment change what it says, every wrong one end with its place?
suite_points() {
    each_case case_points < "$top/tests/timing/points/rows.txt"
    run_script "$top/tests/timing/points/check_fields.py"
}
case_points() {
    "$IOASIM" bench points "$top/tests/timing/points/calibration.json" --row "$1"
}

# Do the laws hold for generated inputs?
suite_random() { run_tests "$build/random_tests"; }

# Does every reader of files answer, whatever the file holds?
suite_fuzz() { run_tests "$build/fuzz_tests"; }

# Does the simulator answer as recorded real implementations did?
suite_vectors() { each_case case_vectors < <(vector_sets); }
vector_sets() { (cd "$top/tests/vectors" 2>/dev/null && find . -mindepth 2 -maxdepth 2 -type d) |
    sed 's|^\./||' | sort; }
case_vectors() {
    find "$top/tests/vectors/$1" -type f -name '*.jsonl*' -print0 | sort -z |
        xargs -0 -r "$IOASIM" conform "${1%%/*}"
}

# Does every scenario end as it expects?
suite_scenario() {
    each_case case_schema < <(printf "scenarios/schema/%s.schema.json\n" scenario report)
    each_case case_editors < <(echo scenarios/schema/scenario.schema.json)
    each_case case_scenario < <(scenarios)
}
# The schema that editors read is the one that the program has.
case_schema() {
    case $1 in *report*) "$IOASIM" schema report ;; *) "$IOASIM" schema ;; esac | diff - "$top/$1"
}
# It accepts what the program accepts.
case_editors() { scenarios | (cd "$top" && xargs python3 tests/scenario/check_schema.py "$1"); }
scenarios() { (cd "$top" && find scenarios -name '*.json' ! -path 'scenarios/schema/*' \
    ! -path 'scenarios/language/*') | grep -vxFf <(big_scenarios) | sort; }
# Stress scenarios that no campaign varies take minutes: `ioasim run` and benchmarks run them, no
# suite does.
big_scenarios() { (cd "$top" && grep -lE '"campaign": *"none"' scenarios/stress/*.json); }
case_scenario() { timeout 600 "$IOASIM" run "$top/$1" --out "$(mktemp -d -p "$scratch")/out"; }

quickstarts() { scenarios | grep '^scenarios/quickstart/'; }

# Is a wrong scenario refused, with the place and the reason?
suite_bad() { run_script "$top/tests/scenario/check_bad.sh"; }

# Does the command line keep its word: exit codes, messages, files, signals?
suite_cli() {
    for script in "$top"/tests/cli/*.sh; do
        [ "${script##*/}" = lib.sh ] || run_script "$script"
    done
}

# Are traces the same bytes from another folder, among bystanders, in another construction order?
suite_determinism() { each_case case_determinism < <(small_scenarios); }
# The big ones are repeated only when everything is.
small_scenarios() {
    if $all; then scenarios; else scenarios | grep -vE '^scenarios/(stress|bench)/'; fi
}
case_determinism() { "$top/tests/determinism/check.sh" "$top/$1"; }

# Does each scenario fail when the mechanism it is about is broken?
suite_proofs() { run_script "$top/tests/proofs/check.sh"; }

# Do programs that know nothing of us read our files?
suite_viewers() {
    each_case case_viewers < <(quickstarts)
    each_case case_fst < <(quickstarts)
    each_case case_perfetto < <(quickstarts)
    each_case case_gtkwave < <(printf '%s\n' one_process_sva two_vms \
        two_vms+linux.skip_iotlb_invalidation)
    # Takes a browser, and speedscope from npm.
    if $all; then each_case case_speedscope < <(printf '%s\n' one_process_sva spid_conflict); fi
}
case_viewers() {
    local folder
    folder=$(mktemp -d -p "$scratch")
    "$IOASIM" run "$top/$1" --no-files --trace "$folder/wave.vcd" || return 1
    for wave in "$folder"/*.vcd; do
        "$top/tests/viewers/check_vcd.sh" "$wave" || return
    done
}
case_fst() {
    local folder
    folder=$(mktemp -d -p "$scratch")
    can_write_fst "$folder" || return 77
    "$IOASIM" run "$top/$1" --no-files --trace "$folder/w.fst" --trace "$folder/w.vcd" || return 1
    for wave in "$folder"/*.fst; do
        "$top/tests/viewers/check_fst.sh" "$wave" "${wave%.fst}.vcd" || return
    done
}
# A build without the format's library refuses it before it reads the scenario.
can_write_fst() {
    ! "$IOASIM" run nothing --no-files --trace "$1/probe.fst" 2>&1 | grep -q verilator
}
case_perfetto() {
    local folder
    folder=$(mktemp -d -p "$scratch")
    "$IOASIM" run "$top/$1" --no-files --trace "$folder/run.pftrace" || return 1
    for file in "$folder"/*.pftrace; do
        "$top/tests/viewers/check_perfetto.sh" "$file" || return
    done
}
case_speedscope() {
    local folder
    folder=$(mktemp -d -p "$scratch")
    "$IOASIM" run "$top/scenarios/quickstart/$1.json" --no-files --trace "$folder/run.json" &&
        "$top/tests/viewers/check_speedscope.sh" "$folder/run.json"
}
# With a defect the save file has markers at what the checkers found.
case_gtkwave() {
    local folder defect=
    folder=$(mktemp -d -p "$scratch")
    [ "$1" = "${1%+*}" ] || defect="--defect ${1#*+}"
    local waves=("$folder/wave.vcd")
    ! can_write_fst "$folder" || waves+=("$folder/wave.fst")
    # shellcheck disable=SC2046,SC2086
    "$IOASIM" run "$top/scenarios/quickstart/${1%+*}.json" --no-files $defect \
        $(printf -- '--trace %s ' "${waves[@]}")
    for wave in "${waves[@]}"; do
        "$top/tests/viewers/check_gtkwave.sh" "$wave" || return
    done
}

# Does the same run make the same events as when its trace was last looked at?
suite_golden() { run_script "$top/tests/golden/check.sh"; }

# Does every command that the READMEs mark work as shown, and does the manual tell all?
suite_readme() { each_case case_readme < <("$top/tests/readme/commands.sh" list); }
case_readme() { "$top/tests/readme/commands.sh" run "${1%% *}"; }

# Can a person read a report in a browser, with and without eyes?
suite_browser() { run_script "$top/tests/browser/report.sh"; }

# Is each seeded defect of the models noticed, and do some take a search through seeds and machines?
suite_mutants() { run_script "$top/tests/mutants/check.sh"; }

# Is the source formatted?
suite_format() { each_case case_format < <(cd "$top" && git ls-files '*.cpp' '*.hpp'); }
case_format() {
    command -v clang-format-14 >/dev/null || return 77
    clang-format-14 --dry-run -Werror "$top/$1"
}

# Is there no memory error or undefined behaviour?
suite_asan() {
    build_into "$top/build/asan" "-DCMAKE_BUILD_TYPE=RelWithDebInfo -DIOASIM_SANITIZE=ON" all
    local build="$top/build/asan" IOASIM="$top/build/asan/ioasim-asan"
    export LSAN_OPTIONS="suppressions=$top/tests/support/leaks.supp:print_suppressions=0"
    run_tests "$build/unit_tests"
    # The kernel's coroutines leave the leak check with wrong bounds of the main stack, so that
    # what only a local variable holds looks lost: memory errors alone are looked for from here on.
    export ASAN_OPTIONS="detect_leaks=0:suppressions=$top/tests/support/asan.supp"
    run_tests "$build/module_tests"
    run_tests "$build/timing_tests"
    run_tests "$build/fuzz_tests"
    each_case case_scenario < <(quickstarts)
}

# Does an unoptimised build make the same traces?
suite_debug() {
    build_into "$top/build/debug" "-DCMAKE_BUILD_TYPE=Debug -DIOASIM_EXECUTABLE=ioasim-debug" ioasim
    each_case case_debug < <(quickstarts)
}
case_debug() { "$top/tests/determinism/check.sh" "$top/$1" "$top/build/debug/ioasim-debug"; }

# Does a search that watches coverage find an input that a reader does not survive?
suite_libfuzzer() {
    want_packages fuzz
    command -v clang++-14 >/dev/null || { skipped=$((skipped + 1)) && return; }
    build_into "$top/build/fuzz" "-DCMAKE_BUILD_TYPE=RelWithDebInfo -DIOASIM_FUZZ=ON \
        -DCMAKE_CXX_COMPILER=clang++-14" $(fuzz_targets | sed 's/^/fuzz_/')
    each_case case_libfuzzer < <(fuzz_targets)
}
fuzz_targets() { sed -n 's/^ *{"\([a-z_]*\)", run_.*/\1/p' "$top/tests/fuzz/targets.cpp"; }
kFuzzSeconds=30
case_libfuzzer() {
    local found
    found=$(mktemp -d -p "$scratch")
    mkdir -p "$top/tests/fuzz/corpus/$1"
    (cd "$found" && mkdir new && ASAN_OPTIONS=detect_leaks=0 "$top/build/fuzz/fuzz_$1" \
        -max_total_time=$kFuzzSeconds -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 \
        new "$top/tests/fuzz/corpus/$1")
}

# Is a campaign on many machines the one of a single machine, also when one of them breaks?
suite_cluster() {
    run_script "$top/tests/cluster/parallel.sh"
    run_script "$top/tests/cluster/slurm.sh"
}

# Does what is installed work where this project is not: the program, the libraries, the shells?
suite_package() {
    run_script "$top/tests/package/consumer.sh"
    run_script "$top/tests/package/debian.sh"
    run_script "$top/tests/package/shells.sh"
}

# --- how they count -----------------------------------------------------------------------------

run_suite() {
    passed=0
    failed=0
    skipped=0
    local start=$EPOCHREALTIME
    "suite_$1"
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    total_skipped=$((total_skipped + skipped))
    [ $((passed + failed + skipped)) -gt 0 ] || return 0
    local note=
    [ "$skipped" -eq 0 ] || note=", $skipped skipped"
    # The closing line of the whole run alone has the bare form.
    printf '%-12s %5d passed, %d failed%s (%s s)\n' "$1:" "$passed" "$failed" "$note" \
        "$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')"
}

# run_program COMMAND...: its last line counts; what it says before is shown when a case failed.
run_program() {
    local output="$scratch/program.out"
    "$@" >"$output" 2>&1 </dev/null
    local code=$? last p f
    last=$(tail -n 1 "$output")
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
        p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]}
        # A count that the exit code contradicts is a failure of the program.
        if [ "$code" -ne 0 ] && [ "$f" -eq 0 ] && [ "$p" -gt 0 ]; then f=1; fi
    else
        p=0 f=1
    fi
    passed=$((passed + p))
    failed=$((failed + f))
    # Of a program that passed, only what its cases want to be known.
    if [ "$f" -ne 0 ]; then sed '$d' "$output"; else grep '^note: ' "$output"; fi
    return 0
}

# A test program is absent while its folder of tests is empty.
run_tests() {
    [ ! -x "$1" ] || run_program "$1" ${text:+"$text"}
}

# A script of a suite: one case without its own count, or many with it. 77 skips it.
run_script() {
    [ -x "$1" ] || return 0
    [ -z "$text" ] || [[ $1 == *"$text"* ]] || return 0
    local output="$scratch/script.out"
    "$1" >"$output" 2>&1 </dev/null
    local code=$?
    if [ "$code" -eq 77 ]; then
        skipped=$((skipped + 1))
        grep '^skipped: ' "$output"
    elif [[ $(tail -n 1 "$output") =~ ^[0-9]+\ passed,\ [0-9]+\ failed ]]; then
        run_program sh -c 'cat "$1"; exit "$2"' sh "$output" "$code"
    elif [ "$code" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED (exit %d): %s\n' "$code" "${1#"$top"/}"
        cat "$output"
    fi
}

# each_case FUNCTION < LIST, in this shell, which keeps the counts: a case for each line of input
# that holds the text asked for, as many at a time as there are cores.
each_case() {
    local results="$scratch/results" result
    rm -rf "$results" && mkdir -p "$results"
    export results build IOASIM
    # shellcheck disable=SC2016
    grep -F -- "$text" | xargs -r -d '\n' -P "$jobs" -n 1 bash -c '
        . "$top/tests/suites.sh"
        one_case "$0" "$1"' "$1"
    for result in "$results"/*; do
        [ -e "$result" ] || continue
        case $result in
        *.passed) passed=$((passed + 1)) ;;
        *.skipped) skipped=$((skipped + 1)) ;;
        *.failed)
            failed=$((failed + 1))
            cat "$result"
            ;;
        esac
    done
}

one_case() {
    local name
    name="$results/$(printf '%s' "$2" | tr -c 'A-Za-z0-9_.\n-' '_')"
    ( "$1" "$2" ) >"$name.log" 2>&1 </dev/null
    local code=$?
    case $code in
    0) mv "$name.log" "$name.passed" ;;
    77) mv "$name.log" "$name.skipped" ;;
    *)
        { printf 'FAILED (exit %d): %s\n' "$code" "$2" && cat "$name.log"; } >"$name.failed"
        rm -f "$name.log"
        ;;
    esac
}
