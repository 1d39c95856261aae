"""What the scripts do to the processes that they measure. Python's standard library only."""

import subprocess


def stop(process, seconds):
    """Ends a process: with SIGTERM, and with SIGKILL if it has not ended after `seconds`."""
    process.terminate()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
