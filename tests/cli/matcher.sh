#!/bin/bash
# Does the problem matcher for GitHub find the places that our messages name?
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# found: what the matcher makes of ./o and ./e, a line each: file, line, column, message.
found() {
    cat o e | python3 -c '
import json, re, sys
text = sys.stdin.read().splitlines()
for matcher in json.load(open(sys.argv[1]))["problemMatcher"]:
    pattern, = matcher["pattern"]
    for line in text:
        hit = re.search(pattern["regexp"], line)
        if hit:
            print(*(hit.group(pattern[key]) for key in ("file", "line", "column", "message")))
' "$top/.github/ioasim-matcher.json"
}
tells() { # NAME LINE: the only one
    verdict "$1" "$([ "$(found)" = "$2" ] || found)"
}

sed 's/"free"/"fre"/' short.json >wrong.json
run validate wrong.json
tells "a mistake in a scenario" 'wrong.json 2 74 a step has no key that says what it is'
run run failing.json --no-files
tells "an expectation that is not met" \
    'failing.json 3 13 {"event": "ioasid.alloc", "count": 2}'
run run short.json --no-files
tells "nothing of a run that passed" ''

finish
