"""Helpers for the processes that the scripts measure. Python's standard library only."""

import socket
import subprocess


def free_port():
    """Returns a port of the loopback address that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process, seconds):
    """Ends a process with SIGTERM, or with SIGKILL if it has not ended after `seconds`."""
    process.terminate()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
