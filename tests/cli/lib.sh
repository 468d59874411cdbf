# shellcheck shell=bash
# Read by the scripts of this folder: a scratch folder with a few scenarios, and how a case is told.
set -u
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
top=$(readlink -f "$here/../..")
ioasim=${IOASIM:-$top/build/release/ioasim}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
passed=0
failed=0

verdict() { # NAME PROBLEM
    if [ -z "$2" ]; then
        echo "ok $1"
        passed=$((passed + 1))
    else
        echo "FAIL $1: $2"
        failed=$((failed + 1))
    fi
}

# run ARGUMENTS: output in ./o and ./e, exit code in $code. At most $limit seconds.
run() {
    timeout "${limit:-60}" "$ioasim" "$@" >o 2>e </dev/null
    code=$?
}

# expect NAME CODE TEXT: the last run ended with CODE, and TEXT stands in what it said.
expect() {
    local problem=
    [ "$code" -eq "$2" ] || problem="exit code $code, not $2: $(tail -n 1 e)"
    if [ -z "$problem" ] && ! cat o e | grep -qF -- "$3"; then
        problem="does not say \"$3\": $(cat e o | tail -n 1)"
    fi
    verdict "$1" "$problem"
}

cat >short.json <<'END'
{"version": 1, "name": "short", "purpose": "a process takes an ID",
 "programs": [{"on": "host", "process": "app", "steps": [{"alloc": "A"}, {"free": "A"}]}],
 "expect": [{"event": "ioasid.alloc"}, {"invariants": "hold"}]}
END
cat >long.json <<'END'
{"version": 1, "name": "long", "purpose": "works until it is stopped",
 "platform": {"iommus": [{"name": "iommu0"}],
  "devices": [{"name": "dsa0", "iommu": "iommu0", "workqueues": [{"name": "wq0"}]}]},
 "programs": [{"on": "host", "process": "app", "steps": [{"bind": "A", "device": "dsa0"},
   {"submit": {"to": "dsa0/wq0", "pasid": "A", "size": "64B", "count": 10000000}}]}],
 "expect": [{"invariants": "hold"}], "run": {"limit": "1h"}}
END
sed 's/"ioasid.alloc"/"ioasid.alloc", "count": 2/' short.json >failing.json

# asked_to_end SIGNAL CODE TEXT ARGUMENTS: a second later the signal ends it, with CODE and TEXT.
asked_to_end() {
    local signal=$1 wanted=$2 text=$3 pid ended problem=
    shift 3
    env --default-signal="$signal" "$ioasim" "$@" >o 2>e &
    pid=$!
    sleep 1
    kill "-$signal" "$pid" 2>/dev/null || problem="it had ended already;"
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    ! kill -KILL "$pid" 2>/dev/null || problem+=" it runs on"
    { wait "$pid"; } 2>/dev/null
    ended=$?
    [ "$ended" -eq "$wanted" ] || problem+=" exit code $ended, not $wanted"
    [ -z "$text" ] || cat o e | grep -qF -- "$text" || problem+=" does not say \"$text\""
    verdict "$1 ends at $signal" "$problem"
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
