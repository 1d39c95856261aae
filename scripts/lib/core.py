"""The counts behind scripts/measure/core. Python's standard library only.

The program Costs runs one operation N times under callgrind, then 3N times. The difference is the cost of 2N operations without the
start of the process and of the hub.
"""

import pathlib
import platform
import subprocess
import sys
import tempfile

import arguments
import instructions

N = 1000
COUNTS = ["instructions", "hops", "allocations", "retains"]

# The bounds for x86-64: instructions and retains are 3 % above the count, the others exactly the count.
BOUNDS = {
    # instructions, hops, allocations, retains and releases
    "async to blocking, body does not wait": (782, 0, 0, 2),
    "async to blocking, body waits once": (3_371, 2, 0, 6),
    "blocking to async, callee does not suspend": (2_235, 3, 0, 0),
    "blocking to async, callee yields once": (4_820, 5, 2, 5),
    "park and unpark of a green thread": (2_568, 2, 0, 4),
    "park and unpark of a task": (3_002, 2, 0, 4),
    "Task.yield on the hub": (2_697, 1, 2, 5),
    "spawn a green thread and wait for it": (11_352, 3, 9, 42),
    "spawn a task and wait for it": (7_386, 3, 4, 18),
}


def run(binary, work, operation, count):
    profile = work / f"profile.{count}"
    subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", binary, operation, str(count)],
        check=True, timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return instructions.counts(profile)


def main():
    parser = arguments.Parser("measure/core")
    parser.add_argument("binary")
    options = parser.parse_args()
    listed = subprocess.run([options.binary], check=True, timeout=30, capture_output=True, text=True).stdout.splitlines()
    if unknown := set(listed) ^ set(BOUNDS):
        raise instructions.Failure(f"operations of Costs and bounds in scripts/lib/core.py differ: {', '.join(sorted(unknown))}")
    print("| per operation, and its bound | instructions | hops | allocations | retains and releases |")
    print("| --- | ---: | ---: | ---: | ---: |", flush=True)
    failures = []
    for operation in listed:
        with tempfile.TemporaryDirectory() as work:
            few, many = (run(options.binary, pathlib.Path(work), operation, count) for count in (N, 3 * N))
        measured = [(many[count] - few[count]) / (2 * N) for count in COUNTS]
        bounds = BOUNDS[operation]
        cells = [f"{value:,.0f} / {most:,}" if name == "instructions" else f"{value:.1f} / {most}"
                 for name, value, most in zip(COUNTS, measured, bounds)]
        print(f"| {operation} | " + " | ".join(cells) + " |", flush=True)
        if platform.machine() == "x86_64":
            failures += [f"{operation}: {name}" for name, value, most in zip(COUNTS, measured, bounds) if value > most + 0.1]
    if failures:
        raise instructions.Failure("above the bound: " + "; ".join(failures))


if __name__ == "__main__":
    try:
        main()
    except (instructions.Failure, subprocess.SubprocessError) as failure:
        sys.exit(f"core: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
