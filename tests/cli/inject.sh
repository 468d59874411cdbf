#!/bin/bash
# Does `ioasim inject` tell what there is, and does each fault come when and as often as it was
# asked for?
. "$(dirname "$(readlink -f "$0")")/lib.sh"

run inject list
expect "the list" 0 'dsa.hang'
verdict "has 40 kinds and more" "$([ "$(wc -l <o)" -ge 40 ] || wc -l o)"
cut -d ' ' -f 1 o >kinds
verdict "in order, each once" "$(LC_ALL=C sort -u kinds | diff - kinds | head -n 1)"
missing=
while read -r kind; do
    "$ioasim" inject explain "$kind" >about 2>&1 || missing+=" $kind"
    shown=$(sed -n 's/^  shown by *//p' about)
    [ -f "$top/$shown" ] || missing+=" $kind:$shown"
    [ -z "$shown" ] || grep -q "\.${kind#*.}\"\|\"$kind\"" "$top/$shown" ||
        missing+=" $kind is not in $shown"
done <kinds
verdict "each can be explained and has a scenario that has it" "$missing"
run inject explain dsa.hnag
expect "a kind that there is not" 2 'did you mean "dsa.hang"?'
run inject explain
expect "nothing to explain" 2 'KIND'

# --- when and how often -------------------------------------------------------------------------

cat >work.json <<'END'
{"version": 1, "name": "work", "purpose": "a process copies",
 "platform": {"iommus": [{"name": "iommu0"}],
  "devices": [{"name": "dsa0", "iommu": "iommu0", "workqueues": [{"name": "wq0"}]}]},
 "programs": [{"on": "host", "process": "app", "steps": [{"bind": "A", "device": "dsa0"},
   {"submit": {"to": "dsa0/wq0", "pasid": "A", "size": "64B", "count": 50}},
   {"unbind": "A", "device": "dsa0"}]}],
 "expect": [{"event": "dsa.complete", "count": 50}, {"invariants": "hold"}]}
END

# with INJECTION [MORE ARGUMENTS]: runs the work with it.
with() {
    sed "s|\"expect\"|\"inject\": [$1], \"expect\"|" work.json >injected.json
    shift
    run run injected.json --no-files --force --trace t.jsonl "$@"
}
times() { grep -c '"run.inject"' t.jsonl; }

with '{"fault": "dsa0.submission_retry", "nth": 7, "count": 4}'
verdict "four calls from the seventh on" "$([ "$code" = 0 ] && [ "$(times)" = 4 ] || times)"
with '{"fault": "dsa.submission_retry"}'
verdict "one, wherever" "$([ "$code" = 0 ] && [ "$(times)" = 1 ] || times)"
with '{"fault": "dsa0.submission_retry", "chance": "1/1", "count": 9}'
verdict "each by chance, at most nine" "$([ "$code" = 0 ] && [ "$(times)" = 9 ] || times)"
with '{"fault": "dsa0.submission_retry", "chance": "1/3", "stream": "a"}'
mv t.jsonl a.jsonl
with '{"fault": "dsa0.submission_retry", "chance": "1/3", "stream": "a"}'
verdict "the same draws again" "$(cmp a.jsonl t.jsonl 2>&1)"
with '{"fault": "dsa0.submission_retry", "chance": "1/3", "stream": "b"}'
verdict "other draws from another stream" "$(! cmp -s a.jsonl t.jsonl || echo the same)"
with '{"when": {"event": "dsa.complete", "nth": 5}, "fault": "dsa0.submission_retry"}'
verdict "armed by an event" "$([ "$code" = 0 ] && [ "$(times)" = 1 ] || times)"
with '{"fault": "dsa0.submission_retry", "nth": 1000}'
expect "what never comes is told" 1 'injection.not_delivered'
with '{"at": "1s", "fault": "host/app.kill"}'
expect "nor what comes behind the limit" 4 'injection.not_delivered'

# Whether somebody looks changes nothing.
with '{"when": {"event": "dsa.complete", "nth": 5}, "fault": "dsa0.hang", "by": "50us"}'
sed 's/, {"invariants": "hold"}//' injected.json >unwatched.json
ended() { run run unwatched.json --no-files --force "$@" && sed -n 's/ (.*//; $p' o; }
ended --trace t.jsonl >watched
verdict "the same time without checkers and trace" \
    "$(ended --no-checkers | diff watched - | head -n 2)"
verdict "which is another than without it" "$(grep -q 'PASS in [0-9.]* us' watched || cat watched)"

finish
