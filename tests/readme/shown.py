"""Are the lines of CLAIMED among those of SAID, in order? `...` in a line stands for anything."""

import re
import sys


def main():
    claimed, said = (open(name, encoding="utf-8").read().splitlines() for name in sys.argv[1:3])
    at = 0
    for line in claimed:
        pattern = ".*".join(re.escape(part) for part in line.split("..."))
        found = next((i for i in range(at, len(said)) if re.fullmatch(pattern, said[i])), None)
        if found is None:
            print(f"the document shows a line that the command does not print: {line}")
            return 1
        at = found + 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
