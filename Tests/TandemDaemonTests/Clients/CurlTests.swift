import Foundation
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

extension ClientTests {
    /// curl, from the command line.
    struct Curl {
        private func curl(_ arguments: String..., input: String? = nil) async throws -> Program.Outcome {
            try await Program.run("curl", ["-sS", "--max-time", "20", "--noproxy", "*"] + arguments, input: input)
        }

        @Test(arguments: Style.allCases, ["1.0", "1.1"])
        func `responses to HTTP 1.0 and 1.1 are delimited correctly`(style: Style, version: String) async throws {
            try await withService { service in
                let answer = try await curl(
                    "--http\(version)", "-w", "\n%{http_code} %{http_version}\n", service.origin + "/\(style)/plaintext")
                #expect(answer.lines == ["Hello, World!", "200 1.1"])
                // A stream has no length, so with HTTP/1.0 the end of the connection ends it.
                let stream = try await curl("--http\(version)", "-i", service.origin + "/\(style)/stream?chunks=3&bytes=4&ms=0")
                #expect(stream.text.hasSuffix("\r\n\r\n...\n...\n...\n"))
                #expect(stream.text.contains("Transfer-Encoding: chunked") == (version == "1.1"))
            }
        }

        @Test func `connections are reused, with HTTP 1.0 only if the client asks for it`() async throws {
            try await withService { service in
                let url = service.origin + "/async/plaintext"
                let reused = try await curl("-w", " %{num_connects}\n", url, url, url)
                #expect(reused.lines == ["Hello, World! 1", "Hello, World! 0", "Hello, World! 0"])
                let old = try await curl("--http1.0", "-H", "Connection: keep-alive", "-w", " %{num_connects}\n", url, url)
                #expect(old.lines == ["Hello, World! 1", "Hello, World! 0"])
                let closed = try await curl("-H", "Connection: close", "-w", " %{num_connects}\n", url, url)
                #expect(closed.lines == ["Hello, World! 1", "Hello, World! 1"])
            }
        }

        @Test(arguments: Style.allCases)
        func `an upload waits for 100 Continue and is echoed completely`(style: Style) async throws {
            try await withService { service in
                let file = try TemporaryFile(String(repeating: "0123456789abcde\n", count: 150_000))
                let url = service.origin + "/\(style)/echo"
                let answer = try await curl("-v", "-H", "Expect: 100-continue", "--data-binary", "@\(file.path)", url)
                #expect(answer.errors.contains("< HTTP/1.1 100 Continue"))
                #expect(answer.output.elementsEqual(try Data(contentsOf: URL(filePath: file.path))))
                // From standard input, so the length is unknown.
                let chunked = try await curl("-v", "-X", "POST", "-T", "-", url, input: file.path)
                #expect(chunked.errors.contains("> Transfer-Encoding: chunked"))
                #expect(chunked.output == answer.output)
            }
        }

        @Test func `an upload that is too long is refused before it is sent`() async throws {
            try await withService(configure: { $0.http.maxBodyBytes = 1_000 }) { service in
                let file = try TemporaryFile(String(repeating: "0123456789abcde\n", count: 150_000))
                let answer = try await curl(
                    "-H", "Expect: 100-continue", "--data-binary", "@\(file.path)", "-o", "/dev/null", "-w",
                    "%{http_code} %{size_upload}\n", service.origin + "/async/echo")
                #expect(answer.lines == ["413 0"])
                let chunked = try await curl(
                    "-X", "POST", "-T", "-", "-o", "/dev/null", "-w", "%{http_code}\n", service.origin + "/blocking/echo",
                    input: file.path)
                #expect(chunked.text.contains("413") || chunked.status == 55 || chunked.status == 56)
            }
        }

        @Test func `HEAD gets no body, and other methods get the right status`() async throws {
            try await withService { service in
                let plaintext = service.origin + "/blocking/plaintext"
                let head = try await curl("-I", plaintext)
                #expect(head.text.hasPrefix("HTTP/1.1 200 OK\r\n") && head.text.hasSuffix("\r\n\r\n"))
                #expect(head.text.contains("Content-Length: 13\r\n"))
                for (method, status) in [
                    ("GET", "200"), ("POST", "405"), ("PUT", "405"), ("DELETE", "405"), ("PATCH", "405"), ("OPTIONS", "204"),
                    ("BREW", "501"),
                ] {
                    let answer = try await curl("-X", method, "-o", "/dev/null", "-w", "%{http_code}", plaintext)
                    #expect(answer.text == status, "\(method)")
                }
                let options = try await curl("-i", "-X", "OPTIONS", "--request-target", "*", service.origin)
                #expect(options.text.hasPrefix("HTTP/1.1 20"))
            }
        }

        @Test func `HTTP 2 with prior knowledge fails, and an offered upgrade to it is ignored`() async throws {
            try await withService { service in
                let url = service.origin + "/async/plaintext"
                let presumed = try await curl("--http2-prior-knowledge", url)
                #expect(presumed.status != 0 && presumed.status != 28)
                let offered = try await curl("--http2", "-w", " %{http_version}\n", url)
                #expect(offered.lines == ["Hello, World! 1.1"])
                // The server still works.
                #expect(try await service.get("/async/plaintext").text == "Hello, World!")
            }
        }

        @Test(arguments: Style.allCases)
        func `a client can disconnect in the middle of a stream`(style: Style) async throws {
            let log = Requests()
            try await withService(configure: { $0.http.accessLog = log }) { service in
                let answer = try await Program.run(
                    "curl", ["-sSN", "--max-time", "0.3", service.origin + "/\(style)/stream?chunks=100&bytes=10&ms=60000"])
                #expect(answer.status == 28)
                #expect(answer.text == ".........\n")
                // The handler would sleep for a minute.
                let deadline = ContinuousClock.now + .seconds(10)
                while log.outcomes.isEmpty, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(5)) }
                #expect(log.outcomes == [.cancelled])
            }
        }
    }
}

/// An access log of outcomes.
private final class Requests: AccessLog {
    private let recorded = Mutex<[AccessLogEntry.Outcome]>([])
    var outcomes: [AccessLogEntry.Outcome] { recorded.withLock { $0 } }

    func record(_ entry: borrowing AccessLogEntry) {
        let outcome = entry.outcome
        recorded.withLock { $0.append(outcome) }
    }
}
