import Glibc
import Testing

/// `scripts/check/replay`, which replays the commands of pages, on small pages.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct ReplayTests {
    /// Where the tests were built to.
    private static let products = {
        let runner = realpath("/proc/self/exe", nil)!
        defer { free(runner) }
        return String(cString: runner).split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
    }()

    /// Replays a page in a copy of its own. Returns the exit code and the output of the script.
    private func replay(_ page: String, options: String = "") throws -> (status: Int32, output: String) {
        let folder = "\(Self.products)/replay-test"
        return try shell("'\(Repository.root)/scripts/check/replay' --timeout 5 --in '\(folder)' \(options) '\(page)' 2>&1")
    }

    private func replay(text: String) throws -> (status: Int32, output: String) {
        let path = "\(Self.products)/replay-test.md"
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
        defer { unlink(path) }
        return try replay(path)
    }

    @Test func `a page that uses every rule is replayed`() throws {
        let result = try replay("\(Repository.root)/Tests/DocumentationTests/Replay/page.md")
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.hasSuffix("15 commands and 3 files, as the page says\n"), "\(result.output)")
    }

    @Test func `blocks that the page marks as slow can be left out`() throws {
        let result = try replay("\(Repository.root)/Tests/DocumentationTests/Replay/page.md", options: "--fast")
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.hasSuffix("14 commands and 3 files, as the page says\n"), "\(result.output)")
    }

    @Test func `the tutorial is among the pages that are replayed`() throws {
        let result = try shell("'\(Repository.root)/scripts/check/replay' --list 2>&1")
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output.contains("docs/first-hour.md:"), "\(result.output)")
    }

    /// Pages that are not right, with the line and words of the complaint.
    private static let wrongPages = [
        ("```console\n$ echo two\nthree\n```", ":2: echo two", "-three"),
        ("```console\n$ echo 8081\n8080\n```", ":2: echo 8081", "-8080"),
        ("```console\n$ printf 'a\\nb\\n'\na\n```", ":2: printf", "+b"),
        ("```console\n$ echo a\n$ echo b\nb\n```", ":2: echo a", "+a"),
        ("```console\n$ seq 9\n1\n…\n8\n```", ":2: seq 9", "-…"),
        ("```console\n$ false\n```", ":2: false", "ended with 1, not with 0"),
        ("```console\n$ true  # exits 3\n```", ":2: true", "ended with 0, not with 3"),
        ("```console\n$ exit 0\n```", ":2: exit 0", "the shell ended"),
        ("<!-- replay: timeout 0.2 -->\n```console\n$ sleep 9\n```", ":3: sleep 9", "not finished after"),
        (
            "<!-- replay: timeout 0.2 -->\n```console background\n$ echo a; sleep 9\nb\n```", ":3: echo a; sleep 9",
            "not printed within"
        ),
        ("```console\nmore\n```", ":1: output", "no command runs in the background"),
        ("```console\na\n$ echo a\na\n```", ":2: output before the first command", ""),
        ("```console\n$ true", ":1: a block without an end", ""),
        ("<!-- replay: skip -->\n```console\n$ false\n```", ":1: skip needs a reason", ""),
        ("<!-- replay: hurry, please -->\n```console\n$ true\n```", ":1: no such directive: hurry", ""),
        ("```text ../../outside\nx\n```", ":1: ../../outside is outside ", "/replay-test"),
    ]

    @Test(arguments: wrongPages.indices)
    func `a page that is not right fails, and the script says where`(index: Int) throws {
        let (page, place, complaint) = Self.wrongPages[index]
        let result = try replay(text: page + "\n")
        #expect(result.status == 1)
        #expect(result.output.contains("replay-test.md" + place), "\(result.output)")
        #expect(result.output.contains(complaint), "\(result.output)")
    }
}
