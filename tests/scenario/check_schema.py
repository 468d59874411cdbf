"""Would an editor that reads the JSON schema accept what the program accepts?

  check_schema.py SCHEMA SCENARIO...   exit 77 without the jsonschema module
"""

import json
import pathlib
import re
import sys

try:
    import jsonschema
except ImportError:
    sys.exit(77)


def without_comments(text):
    """JSON of a scenario: strings are kept, // to the end of the line is not."""
    return re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda m: m.group(1) or "", text)


def problems(validator, document):
    return [f"{e.json_path}: {e.message[:200]}" for e in validator.iter_errors(document)]


def main():
    schema = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    bad = 0
    last = {}
    for name in sys.argv[2:]:
        last = json.loads(without_comments(pathlib.Path(name).read_text(encoding="utf-8")))
        for problem in [] if "extends" in last else problems(validator, last):
            print(f"{name}: {problem}")
            bad += 1
    # A schema that accepts everything would pass as well.
    for wrong in ({**last, "vmz": []}, {**last, "version": "1"}, {**last, "programs": [{}]}):
        if not problems(validator, wrong):
            print(f"accepted: {sorted(wrong)}")
            bad += 1
    return 0 if bad == 0 and len(sys.argv) > 2 else 1


sys.exit(main())
