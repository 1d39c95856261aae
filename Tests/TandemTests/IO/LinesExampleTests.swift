internal import Glibc
internal import Testing

@testable import Tandem

/// Examples/Lines, run as a program.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct LinesExampleTests {
    private static let program = CommandLine.arguments[0][...CommandLine.arguments[0].lastIndex(of: "/")!] + "lines"

    private func run(_ arguments: String) async throws -> String {
        try await HubProcessTests.output(of: "timeout 20 '\(Self.program)' \(arguments) 2>&1")
    }

    @Test func `the demo sets and gets a value`() async throws {
        let output = try await onHub { try await run("demo") }
        #expect(output == "get: NONE, BYE\nset: OK\nget: VALUE Ada Lovelace, BYE\n")
    }

    @Test func `the server serves its own clients and any other`() async throws {
        try await onHub {
            let (process, output) = HubProcessTests.shell("exec '\(Self.program)' serve 0")
            let messages = UnixStream(try Descriptor(adopting: output), peer: .unnamed)
            defer {
                // The process inherits a mask that blocks all signals but this.
                kill(process, SIGKILL)
                waitpid(process, nil, 0)
            }
            let line = try #require(try await messages.readLine())
            let endpoint = try #require(SocketEndpoint(String(line.dropFirst("listening on ".count))))

            #expect(try await run("set \(endpoint.port) name 'Ada  Lovelace'") == "OK\n")
            #expect(try await run("get \(endpoint.port) name") == "VALUE Ada  Lovelace, BYE\n")

            let client = try await TCPStream.connect(to: endpoint)
            try await client.write("get name\r\nGET other\nSET x\n\nquit\n")
            var answers: [String] = []
            while let answer = try await client.readLine() { answers.append(answer) }
            let expected = "ERROR expected SET key value, GET key or QUIT"
            #expect(answers == ["VALUE Ada  Lovelace", "NONE", expected, expected, "BYE"])

            let babbler = try await TCPStream.connect(to: endpoint)
            try await babbler.write(String(repeating: "x", count: 1_100))
            #expect(try await babbler.readLine() == "ERROR a line has at most 1024 bytes")
        }
    }
}
