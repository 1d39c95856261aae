"""Checks the dashboard of the admin listener in Chromium: see scripts/check/dashboard."""

import contextlib
import http.client
import signal
import sys
import time

import arguments
import chromium
import dashboard_live
import dashboard_load
import dashboard_page
import dashboard_server
import dashboard_trace
from dashboard_run import Failure, Run

# By name, in their order.
CHECKS = {
    name.replace("_", "-"): function for module in (dashboard_server, dashboard_live, dashboard_trace, dashboard_page)
    for name, function in vars(module).items() if hasattr(function, "needs_daemon")
}


def run_check(run, name):
    """Runs a check, and prints its result. Returns whether it has passed."""
    function = CHECKS[name]
    if function.needs_daemon and not run.daemon:
        print(f"skipped {name}: it needs a daemon", flush=True)
        return True
    began, faults = time.monotonic(), len(run.faults)
    try:
        function(run)
        fault = "\n    ".join(run.faults[faults:])
    except (Failure, chromium.BrowserError) as failure:
        fault = "\n    ".join([str(failure), *run.faults[faults:]])
    except (OSError, http.client.HTTPException, KeyError, ValueError, TypeError) as error:
        fault = f"{error!r} at line {error.__traceback__.tb_next.tb_lineno} of {function.__name__}"
    seconds = f"{time.monotonic() - began:.1f} s"
    print(f"FAILED {name} ({seconds}): {fault}" if fault else f"ok {name} ({seconds})", flush=True)
    return not fault


def main():
    parser = arguments.Parser("check/dashboard")
    parser.add_argument("--daemon")
    parser.add_argument("--url")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--only", action="append", choices=list(CHECKS))
    parser.add_argument("--minutes", type=arguments.positive, default=1)
    parser.add_argument("--screenshots")
    parser.add_argument("--axe")
    parser.add_argument("--viewers")
    options = parser.parse_args()
    # Ends the daemon and the browser, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("check/dashboard: ended by SIGTERM"))
    failed = []
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(dashboard_load.Daemon(options.daemon)) if options.daemon else None
        traffic = stack.enter_context(dashboard_load.Traffic(daemon)) if daemon else None
        run = Run(stack.enter_context(chromium.Browser()), daemon.url if daemon else options.url, daemon, traffic, options)
        for name in options.only or (name for name in CHECKS if name != "heap" or not options.fast):
            if not run_check(run, name):
                failed.append(name)
        if failed and daemon:
            print(f"tandemd said:\n{daemon.said()}", file=sys.stderr)
    if failed:
        sys.exit(f"check/dashboard: failed: {', '.join(failed)}")
    print(f"check/dashboard: {run.pages} pages sent {run.requests} requests")


if __name__ == "__main__":
    main()
