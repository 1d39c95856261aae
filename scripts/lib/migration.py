"""The report behind scripts/migration-report. Python's standard library only.

A build with -DTANDEM_MIGRATION warns at each use of a blocking call, a bridge, a blocking handler and a green thread. The report
counts these warnings; nothing is searched by text but the suspects. The compiler's index says which function contains a use, and
which functions call it.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import arguments
import index_store

# The kinds of use, by the tag in the compiler's message.
KINDS = {
    "blocking call": "calls",
    "bridge to async": "to async",
    "bridge to blocking": "to blocking",
    "blocking handler": "handlers",
    "green thread": "green threads",
}
WARNING = re.compile(r"^(/.+\.swift):(\d+):(\d+): warning: '(.+?)' is deprecated: .* \[migration: ([a-z ]+)\]", re.MULTILINE)
# Code that blocks or leaves the hub without Tandem. Found by text, so a list to look at rather than a count.
SUSPECTS = re.compile(
    r"\b(?:u?sleep\((?!for:)|nanosleep\(|Thread\.sleep|DispatchSemaphore|DispatchGroup|DispatchQueue|pthread_cond_wait|NSCondition|"
    r"Data\(contentsOf:|String\(contentsOf|URLSession|Task \{|Task\.detached|curl_easy_perform)")

TOP_LEVEL = "(top level)"


class Failure(Exception):
    pass


class Use:
    """One use of something that is to go."""

    def __init__(self, path, line, column, name, kind):
        self.path, self.line, self.column, self.name, self.kind = path, line, column, name, kind
        self.function = None  # the symbol of the function that contains it; empty at the top level of a file


def build(package, scratch, with_tests):
    """Builds the package with the flag, its own modules always anew, and returns the compiler's output."""
    describe = subprocess.run(["swift", "package", "--package-path", package, "--scratch-path", scratch, "describe", "--type", "json"],
                              capture_output=True, text=True)
    if describe.returncode:
        raise Failure(f"{package} is no package: {describe.stderr.strip()}")
    modules = {target["c99name"] for target in json.loads(describe.stdout)["targets"]}
    # The compiler repeats no warning for files that have not changed, so its results have to go.
    for file in scratch.glob("*/debug/*.build/*"):
        if file.parent.name[:-len(".build")] in modules and file.suffix in (".o", ".swiftdeps", ".priors"):
            file.unlink()
    # Without its plan SwiftPM makes a new one: an old one may be of the same package in another directory.
    (scratch / "debug.yaml").unlink(missing_ok=True)
    command = ["swift", "build", "--package-path", package, "--scratch-path", scratch, "--enable-index-store",
               "-Xswiftc", "-DTANDEM_MIGRATION", "-Xswiftc", "-Wwarning", "-Xswiftc", "DeprecatedDeclaration"]
    result = subprocess.run(command + (["--build-tests"] if with_tests else []), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        errors = [line for line in result.stdout.splitlines() if ": error:" in line] or result.stdout.splitlines()[-20:]
        raise Failure("the package does not build with -DTANDEM_MIGRATION:\n" + "\n".join(errors))
    return result.stdout


class Report:
    """What is left to migrate in one package."""

    def __init__(self, package, scratch, with_tests=False):
        self.package = package.resolve()
        self.scratch = scratch
        output = build(self.package, scratch, with_tests)
        found = {}
        for path, line, column, name, kind in WARNING.findall(output):
            if self.owns(path):
                found[path, int(line), int(column), kind] = Use(self.relative(path), int(line), int(column), name, kind)
        self.uses = [found[key] for key in sorted(found)]
        self.suspects = [(self.relative(file), number, line.strip()) for file in self.sources()
                         for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
                         if SUSPECTS.search(re.sub(r"//.*", "", line))]
        self.names = {}
        self.levels = self.order()

    def owns(self, path):
        path = pathlib.Path(path)
        return self.package in path.parents and not any(part.startswith(".") for part in path.relative_to(self.package).parts)

    def relative(self, path):
        return str(pathlib.Path(path).relative_to(self.package))

    def sources(self):
        return sorted(file for file in (self.package / "Sources").rglob("*.swift") if self.owns(file))

    def order(self):
        """Returns the functions to port in levels, leaves first: a function is in a later level than those that it calls."""
        stores = list(self.scratch.glob("*/debug/index/store"))
        if not self.uses or not stores:
            return []
        by_place = collections.defaultdict(list)
        for use in self.uses:
            by_place[str(self.package / use.path), use.line].append(use)
        calls, places, names = collections.defaultdict(set), {}, {}
        for path, line, column, roles, usr, name, relations in index_store.IndexStore(stores[0]).occurrences(self.owns):
            callers = [(relation, symbol) for bits, relation, symbol in relations if bits & index_store.CALLED_BY]
            if roles & index_store.DEFINITION:
                places[usr] = (self.relative(path), line)
                parent = next((symbol for bits, _, symbol in relations if bits & index_store.CHILD_OF), None)
                names[usr] = f"{parent}.{name}" if parent else name
            for caller, symbol in callers:
                calls[caller].add(usr)
                names.setdefault(caller, symbol)
                for use in by_place.get((path, line), []):
                    if use.column == column or use.function is None:
                        use.function = caller
        for use in self.uses:
            use.function = use.function or ""
        self.names = names
        to_port = {use.function for use in self.uses}
        # The functions that call these have to become async too.
        while True:
            more = {caller for caller, called in calls.items() if called & to_port and caller in places} - to_port
            if not more:
                break
            to_port |= more
        levels, left = [], set(to_port)
        while left:
            leaves = {function for function in left if not calls[function] & left - {function}}
            # Functions that call each other are one step.
            leaves = leaves or left
            levels.append(sorted(leaves, key=lambda function: places.get(function, ("", 0))))
            left -= leaves
        counts = collections.Counter(use.function for use in self.uses)
        return [[{"function": names.get(function, TOP_LEVEL), "file": places.get(function, ("", 0))[0],
                  "line": places.get(function, ("", 0))[1], "uses": counts[function]} for function in level] for level in levels]

    def files(self):
        """Returns the counts by kind of each file that has any."""
        files = collections.defaultdict(collections.Counter)
        for use in self.uses:
            files[use.path][use.kind] += 1
        return dict(sorted(files.items()))

    def directories(self):
        """Returns the counts by kind of each directory that holds a target, also of those without any."""
        directories = {directory(self.relative(file)): collections.Counter() for file in self.sources()}
        for use in self.uses:
            directories.setdefault(directory(use.path), collections.Counter())[use.kind] += 1
        return dict(sorted(directories.items()))

    def totals(self):
        return collections.Counter(use.kind for use in self.uses)

    def as_json(self):
        return {
            "package": self.package.name,
            "total": len(self.uses),
            "kinds": {kind: self.totals()[kind] for kind in KINDS},
            "directories": {path: sum(counts.values()) for path, counts in self.directories().items()},
            "files": {path: dict(counts) for path, counts in self.files().items()},
            "uses": [{"file": use.path, "line": use.line, "column": use.column, "name": use.name, "kind": use.kind,
                      "function": self.names.get(use.function, TOP_LEVEL)} for use in self.uses],
            "order": self.levels,
            "suspects": [{"file": path, "line": line, "text": text} for path, line, text in self.suspects],
        }

    def as_markdown(self, top):
        totals, lines = self.totals(), []
        lines += [f"# What is left to migrate in {self.package.name}", ""]
        if not self.uses:
            lines += ["Nothing: no blocking call, no bridge, no blocking handler and no green thread.", ""]
        else:
            lines += table(["file", *KINDS.values(), "all"],
                           [[path, *(counts[kind] for kind in KINDS), sum(counts.values())] for path, counts in self.files().items()]
                           + [["**all**", *(totals[kind] for kind in KINDS), len(self.uses)]])
            if len(self.directories()) > 1:
                lines += ["", "## By directory", ""]
                lines += table(["directory", *KINDS.values(), "all"],
                               [[path, *(counts[kind] for kind in KINDS), sum(counts.values())]
                                for path, counts in self.directories().items()])
            lines += ["", "## In which order", "", "Leaves first: port the functions of one step before those of the next, which call them.", ""]
            rows = [[number, f"`{entry['function']}`", f"{entry['file']}:{entry['line']}" if entry["file"] else "", entry["uses"]]
                    for number, level in enumerate(self.levels, 1) for entry in level]
            lines += table(["step", "function", "place", "uses"], rows[:top])
            if len(rows) > top:
                lines += ["", f"and {len(rows) - top} more (`--top {len(rows)}`)"]
            lines += [""]
        if self.suspects:
            lines += ["## Suspects", "", "Found by text: code that may hold the hub, or leave it.", ""]
            lines += [f"- {path}:{line}: `{text}`" for path, line, text in self.suspects[:top]]
            if len(self.suspects) > top:
                lines += [f"- and {len(self.suspects) - top} more"]
            lines += [""]
        return "\n".join(lines)


def directory(path):
    """Returns the directory of a file's target: Sources/Shop for Sources/Shop/Old/Prices.swift."""
    return "/".join(pathlib.PurePath(path).parts[:-1][:2])


def table(head, rows):
    numbers = [all(isinstance(row[column], int) for row in rows) for column in range(len(head))]
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---:" if number else "---" for number in numbers) + " |"]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]


def ratchet(report, file):
    """Compares the counts with those in the file, and lowers these. Returns the files that have got worse, as lines."""
    header = "# Uses of blocking code per file, by scripts/migration-report --ratchet. They may only go down; a file at 0 is done.\n"
    known = {}
    if file.exists():
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if line and not line.startswith("#"):
                match = re.fullmatch(r"(\d+) (.+)", line)
                if not match:
                    raise Failure(f"{file}:{number}: expected a count and a path, such as '3 Sources/Shop/Prices.swift', not '{line}'")
                known[match[2]] = int(match[1])
    now = {path: sum(counts.values()) for path, counts in report.files().items()}
    worse = []
    if file.exists():
        for path, count in now.items():
            if count > known.get(path, 0):
                was = f"{known[path]} before" if path in known else "a file that is not listed"
                worse.append(f"{path}: {count} uses, {was}")
    if not worse:
        counts = {path: now.get(path, 0) for path in {*known, *now}}
        kept = {path: count for path, count in counts.items() if count or (report.package / path).exists()}
        file.write_text(header + "".join(f"{count} {path}\n" for path, count in sorted(kept.items())))
    return worse


def history(package, revisions, scratch):
    """Prints a table of the counts at each revision, oldest first."""
    def git(*words, **options):
        result = subprocess.run(["git", "-C", package, *words], capture_output=True, text=True, **options)
        if result.returncode:
            raise Failure(f"git {' '.join(words)}: {result.stderr.strip()}")
        return result.stdout.strip()

    inside = pathlib.Path(package).resolve().relative_to(git("rev-parse", "--show-toplevel"))
    commits = git("rev-list", "--reverse", revisions, "--", ".").splitlines()
    if not commits:
        raise Failure(f"no commit in {revisions} changes the package")
    rows, most = [], 0
    with tempfile.TemporaryDirectory() as directory:
        tree = pathlib.Path(directory) / "tree"
        git("worktree", "add", "--detach", "--force", str(tree), commits[0])
        try:
            for commit in commits:
                subprocess.run(["git", "-C", tree, "checkout", "--quiet", "--detach", commit], check=True)
                day = git("show", "--no-patch", "--format=%cs", commit)
                try:
                    totals = Report(tree / inside, scratch).totals()
                    rows.append((commit[:10], day, totals))
                    most = max(most, sum(totals.values()))
                except Failure:
                    rows.append((commit[:10], day, None))
        finally:
            git("worktree", "remove", "--force", str(tree))
    cells = []
    for commit, day, totals in rows:
        if totals is None:
            cells.append([commit, day, *("" for _ in KINDS), "does not build", ""])
        else:
            count = sum(totals.values())
            cells.append([commit, day, *(totals[kind] for kind in KINDS), count, "█" * round(40 * count / max(most, 1))])
    return "\n".join(table(["commit", "date", *KINDS.values(), "all", ""], cells)) + "\n"


def main():
    parser = arguments.Parser("migration-report")
    parser.add_argument("package", nargs="?", default=".")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--top", type=int, default=30)
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--history")
    parser.add_argument("--ratchet")
    parser.add_argument("--scratch-path")
    options = parser.parse_args()
    package = pathlib.Path(options.package)
    if not (package / "Package.swift").exists():
        parser.error(f"{package} has no Package.swift")
    scratch = pathlib.Path(options.scratch_path).resolve() if options.scratch_path else package.resolve() / ".build" / "migration"
    if options.history:
        return print(history(package, options.history, scratch), end="")
    report = Report(package, scratch, options.tests)
    if options.ratchet:
        worse = ratchet(report, pathlib.Path(options.ratchet))
        if worse:
            raise Failure("more blocking code than before:\n" + "\n".join(worse))
        return print(f"migration-report: {len(report.uses)} uses left, none more than before")
    print(json.dumps(report.as_json(), indent=2) if options.json else report.as_markdown(options.top))


if __name__ == "__main__":
    try:
        main()
    except (Failure, index_store.Failure) as failure:
        sys.exit(f"migration-report: {failure}")
