"""Checks a trace in Chrome's trace format: see scripts/check/trace."""

import argparse
import json
import sys
from collections import Counter, defaultdict

PHASES = set("XbeisfCM")


class Fault(Exception):
    """A trace that is not as it should be."""


def expect(condition, message):
    if not condition:
        raise Fault(message)


def nanoseconds(event, field="ts"):
    """Returns a time of an event as whole nanoseconds. The text has three decimals, so nothing is rounded away."""
    return round(event[field] * 1000)


def check_fields(events):
    last = -1
    for event in events:
        phase = event.get("ph")
        expect(phase in PHASES, f"unknown phase: {event}")
        expect(isinstance(event.get("name"), str), f"no name: {event}")
        expect(len(event["name"].encode()) <= 128, f"the name is longer than 128 bytes: {event}")
        expect(isinstance(event.get("pid"), int) and isinstance(event.get("tid"), int), f"no process or thread: {event}")
        expect(event.get("ts", -1) >= 0, f"no time: {event}")
        expect(nanoseconds(event) >= last, f"the times are not sorted: {event}")
        last = nanoseconds(event)
        if phase == "X":
            expect(event.get("dur", -1) > 0, f"a slice without a length: {event}")


def check_nesting(slices):
    """Checks that the slices of one thread nest. Returns for each depth the slices in order."""
    open_slices = []
    depths = defaultdict(list)
    for event in slices:
        began, ended = nanoseconds(event), nanoseconds(event) + nanoseconds(event, "dur")
        while open_slices and open_slices[-1][1] <= began:
            open_slices.pop()
        if open_slices:
            outer = open_slices[-1]
            expect(ended <= outer[1], f"{event} overlaps the end of {outer[2]}")
        depths[len(open_slices)].append(event)
        open_slices.append((began, ended, event))
    return depths


def check_window(slices, window, name):
    """Checks that turns and polls fill the window. Returns the part of it that they cover."""
    covered = sum(nanoseconds(event, "dur") for event in slices)
    expect(abs(covered - window) <= window / 100, f"{name}: turns and polls cover {covered} ns of {window} ns")
    return covered / window


def check_pairs(events):
    open_pairs = {}
    for event in events:
        if event["ph"] not in "be":
            continue
        key = (event["cat"], event["name"], event["id2"]["local"])
        if event["ph"] == "b":
            expect(key not in open_pairs, f"begins twice: {event}")
            open_pairs[key] = event
        else:
            expect(key in open_pairs, f"ends without a beginning of the same name and id: {event}")
            del open_pairs[key]
    expect(not open_pairs, f"begins without an end: {next(iter(open_pairs.values()), None)}")


def check_flows(events, slices):
    starts, ends = {}, {}
    for event in events:
        if event["ph"] in "sf":
            side = starts if event["ph"] == "s" else ends
            expect(event["id"] not in side, f"the same end of a flow twice: {event}")
            side[event["id"]] = event
    expect(starts.keys() == ends.keys(), "flows with one end")
    for flow in starts:
        expect(nanoseconds(starts[flow]) <= nanoseconds(ends[flow]), f"a flow goes backwards: {starts[flow]}")
    lengths = {}
    for thread, found in slices.items():
        # Times at which the thread is in a slice: the top ones, in order.
        lengths[thread] = [(nanoseconds(event), nanoseconds(event) + nanoseconds(event, "dur")) for event in found]
    ordered = sorted([*starts.values(), *ends.values()], key=lambda event: (event["tid"], nanoseconds(event)))
    position = 0
    thread = None
    for event in ordered:
        if event["tid"] != thread:
            thread, position = event["tid"], 0
        time, spans = nanoseconds(event), lengths.get(thread, [])
        while position < len(spans) and spans[position][1] < time:
            position += 1
        expect(position < len(spans) and spans[position][0] <= time, f"a flow has an end outside of slices: {event}")
    return len(starts)


def check(trace, is_mixed):
    """Checks a trace. Returns what it contains, as text."""
    expect(trace.get("displayTimeUnit") == "ns", "displayTimeUnit is not ns")
    events, other = trace["traceEvents"], trace["otherData"]
    for field in ("service", "clock", "windowNanoseconds", "truncated", "lostRecords"):
        expect(field in other, f"otherData does not have {field}")
    check_fields(events)
    threads = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M" and event["name"] == "thread_name"}
    expect(set(other["lostRecords"]) == set(threads.values()), "lostRecords does not name each hub")
    top, lines = {}, []
    for thread, name in threads.items():
        depths = check_nesting([event for event in events if event["ph"] == "X" and event["tid"] == thread])
        top[thread] = depths[0]
        # A window that was cut, and one with losses, has gaps.
        lost = other["lostRecords"][name]
        part = None if other["truncated"] or lost else check_window(depths[0], other["windowNanoseconds"], name)
        covered = "not whole" if part is None else f"{part * 100:.2f} % covered"
        lines.append(f"{name}: {sum(map(len, depths.values()))} slices, {covered}, {lost} records lost")
    check_pairs(events)
    flows = check_flows(events, top)
    counts = Counter(event.get("cat", "") for event in events if event["ph"] in "Xbi")
    lines.append(", ".join(f"{count} {category}" for category, count in sorted(counts.items())) + f", {flows} wake-ups")
    if is_mixed:
        for category in ("async", "blocking", "bridge", "request", "wait"):
            expect(counts[category], f"the traffic had {category}, and the trace has none")
        expect(flows, "the trace has no wake-up")
        directions = {event["name"] for event in events if event.get("cat") == "bridge"}
        for direction in ("→ async", "→ blocking"):
            expect(direction in directions, f"the trace has no call of a bridge {direction}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mixed", action="store_true")
    parser.add_argument("file")
    arguments = parser.parse_args()
    try:
        with open(arguments.file, encoding="utf-8") as file:
            print(check(json.load(file), arguments.mixed))
    except (Fault, KeyError, ValueError, OSError) as fault:
        sys.exit(f"{arguments.file}: {fault!r}" if not isinstance(fault, Fault) else f"{arguments.file}: {fault}")


if __name__ == "__main__":
    main()
