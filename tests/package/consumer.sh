#!/bin/bash
# Can somebody else's project add a device model with what `cmake --install` put down, and nothing
# else? And does the installed program find what it needs?
. "$(dirname "$(readlink -f "$0")")/../cli/lib.sh"
build=${build:-$top/build/release}

step() { # NAME COMMAND...: it must succeed
    local name=$1
    shift
    "$@" >o 2>e </dev/null
    verdict "$name" "$([ $? -eq 0 ] || tail -n 5 o e)"
}
cache=()
! command -v ccache >/dev/null || cache=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

step "the build is installed" cmake --install "$build" --prefix "$work/prefix"
prefix=$work/prefix
ioasim=$prefix/bin/ioasim
run run "$prefix/share/ioasim/scenarios/quickstart/two_vms.json" --no-files
expect "the installed program runs an installed scenario" 0 'PASS'
run validate "$prefix"/share/ioasim/scenarios/quickstart/*.json
expect "which editors can check" 0 ''
if [ -e "$top/build/report/report.js" ]; then
    run report "$prefix/share/ioasim/scenarios/quickstart/spid_conflict.json" -o page.html
    expect "its reports have the script that was built" 0 'with the script'
fi
verdict "nothing but the program's things is installed" \
    "$(cd "$prefix" && find . -mindepth 1 -maxdepth 1 ! -name bin ! -name share ! -name lib \
        ! -name include)"

# A copy, so that nothing of this project is beside it.
cp -r "$here/../package/consumer" project
step "another project finds the libraries" cmake -S project -B out \
    -DCMAKE_BUILD_TYPE=Release "-DCMAKE_PREFIX_PATH=$prefix" "${cache[@]}"
step "and is built with them" cmake --build out -j 2
step "its device reads memory through the remapping unit, and is refused without a mapping" \
    out/summing trace.jsonl
verdict "for the reason that the specification gives" \
    "$(grep '"event":"vtd.fault"' trace.jsonl | grep -q '"rid":"01:01.0".*"reason":"0x79"' ||
        grep '"vtd.fault"' trace.jsonl)"
# What the example is about: without the invalidation the stale translation is used.
sed -i 's/unit.submit_sync(cpu, {.*});/unit.submit_sync(cpu, {});/' project/main.cpp
step "a driver that forgets to invalidate" cmake --build out -j 2
out/summing >o 2>&1
code=$?
expect "is found out" 1 'then status 2'
sed -i 's/find_package(ioasim 0.1/find_package(ioasim 9.0/' project/CMakeLists.txt
cmake -S project -B other "-DCMAKE_PREFIX_PATH=$prefix" >o 2>e
code=$?
expect "a version that it is not" 1 'version: 0.'

finish
