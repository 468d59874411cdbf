#!/bin/bash
# Decodes a Perfetto trace with protoc, which knows the messages from perfetto.proto alone: every
# byte belongs to a field of its number and type, slices begin as often as they end, and what the
# decoded text counts is what our own check counts.
# usage: check_perfetto.sh FILE.pftrace   exit 0: accepted; 1: a complaint; 77: protoc is missing
set -eu
here=$(dirname "$(readlink -f "$0")")
ioasim=${IOASIM:-$here/../../build/release/ioasim}
command -v protoc >/dev/null || { echo "protoc is missing (protobuf-compiler)" >&2; exit 77; }
file=$1
text=$(mktemp)
trap 'rm -f "$text"' EXIT
protoc --proto_path="$here" --decode=Trace "$here/perfetto.proto" <"$file" >"$text"
failed=0
complain() { echo "check_perfetto.sh: $file: $*" >&2; failed=1; }
count() { grep -c "$1" "$text" || true; }

# protoc shows what it does not know by number.
! grep -qE '^ *[0-9]+(:| \{)' "$text" || complain "fields that the messages do not have"
begins=$(count 'type: TYPE_SLICE_BEGIN')
ends=$(count 'type: TYPE_SLICE_END')
[ "$begins" -gt 0 ] || complain "no slice"
[ "$begins" = "$ends" ] || complain "$begins slices begin, $ends end"
[ "$(count "type: TYPE_COUNTER")" = "$(count "counter_value: ")" ] || complain "empty counters"
ours=$("$ioasim" trace check "$file" | head -n 1)
theirs="$(count '^packet {') packets, $(count 'track_descriptor {') tracks, $begins slices"
[[ $ours == *": good: $theirs, "* ]] || complain "protoc sees $theirs; we see $ours"
[ "$failed" -eq 0 ] && echo "$file: $theirs"
exit $failed
