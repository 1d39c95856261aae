"""The checks behind scripts/check/port. Python's standard library only."""

import json
import pathlib
import re
import subprocess
import sys

PACKAGE = pathlib.Path(__file__).parents[2] / "Examples/application-port"
KINDS = ["blocking call", "bridge to async", "bridge to blocking", "blocking handler", "green thread"]


def check_diffs():
    """Fails unless the lines below each `$ diff -u` in the README are in the output of that command, in their order."""
    count = 0
    for block in re.findall(r"^```console\n(.*?)^```", (PACKAGE / "README.md").read_text(), re.DOTALL | re.MULTILINE):
        for command, shown in re.findall(r"^\$ (diff -u [^\n]*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE):
            output = subprocess.run(command.split(), cwd=PACKAGE, capture_output=True, text=True).stdout
            for part in shown.split("…\n"):
                if part not in output:
                    sys.exit(f"check/port: README.md shows lines that `{command}` does not print:\n{part}")
            count += 1
    return count


def check_counts(report):
    """Fails unless the report has the counts by hand, and the stages go down to zero. Returns the numbers of stages 1 to 3."""
    found = {file: [counts.get(kind, 0) for kind in KINDS] for file, counts in report["files"].items()}
    by_hand = {}
    for line in (PACKAGE / "uses.txt").read_text().splitlines():
        if not line.startswith("#"):
            *counts, name = line.split()
            by_hand[name] = [int(count) for count in counts]
    for name in sorted(by_hand.keys() | found.keys()):
        if by_hand.get(name) != found.get(name):
            sys.exit(f"check/port: {name}: {by_hand.get(name)} by hand, {found.get(name)} in the report")
    stages = [report["directories"][f"Sources/stage{stage}"] for stage in range(4)]
    if stages[0] or stages[3] or not stages[1] > stages[2] > 0:
        sys.exit(f"check/port: the stages have {stages}")
    return stages[1:]


if __name__ == "__main__":
    diffs = check_diffs()
    left = check_counts(json.load(sys.stdin))
    print(f"check/port: the report equals the count by hand; left in stages 1 to 3: {left}; {diffs} diffs of the README are as shown")
