import Foundation
import Testing

/// Hubs that take over Swift's global executor. Each program of Tests/Support/GlobalTasks runs as a process.
@Suite(.timeLimit(.minutes(2))) struct GlobalExecutorTests {
    static let directory = CommandLine.arguments[0][...CommandLine.arguments[0].lastIndex(of: "/")!]
    static let programs = [
        "tasks", "one-thread", "sleep", "virtual-clock", "main-actor", "both-styles", "group", "group-awaiting", "shutdown",
        "shutdown-in-actor", "shutdown-cancelled", "main-actor-after-group", "serves-main-actor", "guest", "spinner",
        "given-back", "refused", "late", "not-taken", "left-hub", "watchdog", "third-party", "stragglers", "os-threads",
    ]

    @Test(arguments: programs) func `a program whose tasks run on hubs passes`(name: String) async throws {
        let output = try await onHub {
            try await HubProcessTests.output(of: "timeout 60 '\(Self.directory)GlobalTasks' \(name) 2>&1")
        }
        if name == "left-hub" {
            let report =
                "tandem: shared-hub-[0-9]+: blocking\\(name: \"render\"\\) was called in a task that runs on no hub,.*\npassed\n"
            #expect(try Regex(report).wholeMatch(in: output) != nil, "\(output)")
        } else {
            #expect(output == "passed\n")
        }
    }

    @Test func `each program is run`() async throws {
        let output = try await onHub { try await HubProcessTests.output(of: "'\(Self.directory)GlobalTasks' list") }
        #expect(output.split(separator: "\n").map(String.init) == Self.programs)
    }
}
