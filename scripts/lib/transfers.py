"""The measurements behind scripts/measure/transfers. Python's standard library only."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time

import arguments
import processes

PIECE = 65_536  # bytes per chunk of a download


class Daemon:
    """A process of one build of tandemd, with one hub, on the first core."""

    def __init__(self, binary, most_bytes):
        self.port = processes.free_port()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TANDEM_")} | {
            "TANDEM_LOG_ACCESS": "false", "TANDEM_HTTP_MAX_BODY_BYTES": str(most_bytes)}
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", binary, "serve", "--host", "127.0.0.1", "--port", str(self.port), "--hubs", "1"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                return socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.stop()
                sys.exit(f"transfers: {binary} does not listen on its port")
            time.sleep(0.05)

    def cpu(self):
        """Returns the CPU seconds of the process so far, user and system."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def transfer(self, path, *arguments):
        """Makes one transfer with curl, and returns its seconds of wall time and of the server's CPU."""
        wall, cpu = time.monotonic(), self.cpu()
        done = subprocess.run(
            ["taskset", "-c", "1", "curl", "--silent", "--fail", "--noproxy", "*", "--max-time", "120", "--output", "/dev/null",
             *arguments, f"http://127.0.0.1:{self.port}{path}"])
        if done.returncode != 0:
            sys.exit(f"transfers: {path}: curl ended with status {done.returncode}")
        return time.monotonic() - wall, self.cpu() - cpu

    def stop(self):
        processes.stop(self.process, 20)


def main():
    parser = arguments.Parser("measure/transfers")
    parser.add_argument("other")
    parser.add_argument("--tandemd", required=True)
    parser.add_argument("--rounds", type=arguments.positive, default=7)
    parser.add_argument("--megabytes", type=arguments.positive, default=512)
    options = parser.parse_args()
    size = options.megabytes << 20

    with tempfile.NamedTemporaryFile() as file, contextlib.ExitStack() as stack:
        file.truncate(size)
        transfers, upload = {}, ("--request", "POST", "--header", "Expect:", "--upload-file", file.name)
        for style in ("async", "blocking"):
            transfers[f"{style} download"] = (f"/{style}/stream?chunks={size // PIECE}&bytes={PIECE}&ms=0",)
            transfers[f"{style} echo"] = (f"/{style}/echo", *upload)
        daemons = {}
        for name, binary in (("other", options.other), ("this", options.tandemd)):
            daemons[name] = Daemon(binary, size)
            stack.callback(daemons[name].stop)
        samples = {}
        for number in range(options.rounds):
            for transfer, request in transfers.items():
                # The builds take turns being first.
                for name in sorted(daemons, reverse=bool(number % 2)):
                    samples.setdefault((transfer, name), []).append(daemons[name].transfer(*request))

    print(f"{options.megabytes} MB per transfer, lowest of {options.rounds} rounds\n")
    print("| transfer | other, s | this, s | throughput, this to other | other, CPU s | this, CPU s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for transfer in transfers:
        walls = {name: min(wall for wall, _ in samples[transfer, name]) for name in daemons}
        cpus = {name: min(cpu for _, cpu in samples[transfer, name]) for name in daemons}
        print(f"| {transfer} | {walls['other']:.3f} | {walls['this']:.3f} | {walls['other'] / walls['this']:.2f} "
              f"| {cpus['other']:.2f} | {cpus['this']:.2f} |")


if __name__ == "__main__":
    main()
