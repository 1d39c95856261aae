import FakeResolver
import Glibc
import HTTPTypes
import Tandem
import TandemFetch
import Testing

/// Each phase of a fetch has its own timeout and its own error.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchPhaseTests {
    let upstream = Upstream()

    private func client(_ change: (inout FetchConfiguration) -> Void) -> FetchClient {
        var configuration = FetchConfiguration()
        change(&configuration)
        return FetchClient(configuration: configuration)
    }

    @Test(arguments: Style.allCases) func `a name server that does not answer ends the fetch after the connect timeout`(
        _ style: Style
    ) async throws {
        fake_resolver_teach("hangs.test", "hang")
        let client = client { $0.connectTimeout = .milliseconds(100) }
        try await onHub { hub in
            let turns = hub.statistics.turns
            let error = try await fetchError { try await style.get(client, "http://hangs.test/") }
            #expect(error?.code == .connectTimedOut && error?.isTimeout == true, "\(String(describing: error))")
            #expect(error?.message == "http://hangs.test:80: could not connect within 0.1 seconds")
            // The hub does not spin while it waits for the resolver.
            #expect(hub.statistics.turns - turns < 200)
        }
        fake_resolver_release()
    }

    @Test(arguments: Style.allCases) func `a server that does not accept the connection ends the fetch after the connect timeout`(
        _ style: Style
    ) async throws {
        let full = try FullBacklog()
        let client = client { $0.connectTimeout = .milliseconds(100) }
        let error = try await onHub { _ in try await fetchError { try await style.get(client, "http://127.0.0.1:\(full.port)/") }
        }
        #expect(error?.code == .connectTimedOut)
    }

    @Test(arguments: Style.allCases) func `a server that never starts TLS ends the fetch after the TLS timeout`(_ style: Style)
        async throws
    {
        // The server accepts connections and sends nothing.
        let full = try FullBacklog(backlog: 16, fills: false)
        let client = client { $0.tlsTimeout = .milliseconds(80) }
        let error = try await onHub { _ in try await fetchError { try await style.get(client, "https://127.0.0.1:\(full.port)/") }
        }
        #expect(error?.code == .tlsTimedOut && error?.message.contains("TLS was not established within 0.08") == true)
    }

    @Test(arguments: Style.allCases) func `a server that does not begin to respond ends the fetch after the response timeout`(
        _ style: Style
    ) async throws {
        let client = client { $0.responseTimeout = .milliseconds(80) }
        let url = upstream.url("/silent")
        let error = try await onHub { _ in try await fetchError { try await style.get(client, url) } }
        #expect(error?.code == .responseTimedOut && error?.message.contains("no answer began within 0.08") == true)
        try await until { try await upstream.count("disconnects") == 1 }
    }

    @Test(arguments: Style.allCases) func `a server that stops within its response ends the fetch after the idle timeout`(
        _ style: Style
    ) async throws {
        let client = client { $0.idleTimeout = .milliseconds(80) }
        let url = upstream.url("/stall")
        let error = try await onHub { _ in try await fetchError { try await style.get(client, url) } }
        #expect(error?.code == .idleTimedOut && error?.message.contains("no byte of the answer came for 0.08") == true)
    }

    @Test(arguments: Style.allCases) func `a server that stops reading the request ends the fetch after the idle timeout`(
        _ style: Style
    ) async throws {
        let client = client { $0.idleTimeout = .milliseconds(80) }
        let body = FetchBody(streaming: { while true { try await $0.write([UInt8](repeating: 1, count: 65_536)) } })
        let request = FetchRequest(url: upstream.url("/slowreader"), method: .post, body: body)
        let error = try await onHub { _ in try await fetchError { try await style.execute(client, request) } }
        #expect(error?.code == .idleTimedOut && error?.message.contains("no byte of the request") == true)
    }

    @Test(arguments: Style.allCases) func `a fetch ends after the total timeout although bytes still arrive`(_ style: Style)
        async throws
    {
        let client = client { $0.timeout = .milliseconds(120) }
        let url = upstream.url("/drip?n=10000")
        let error = try await onHub { _ in try await fetchError { try await style.get(client, url) } }
        #expect(error?.code == .timedOut && error?.message.contains("no complete answer within") == true)
    }

    @Test(arguments: Style.allCases) func `a slow reader does not use up the idle timeout`(_ style: Style) async throws {
        let client = client { ($0.idleTimeout, $0.maxResponseBytes) = (.milliseconds(60), .max) }
        let url = upstream.url("/endless")
        try await onHub { _ in
            let stream = try await style.stream(client, FetchRequest(url: url))
            try await until { stream.buffered > 200 * 1024 }
            // Several times the timeout.
            try await sleep(for: .milliseconds(250))
            for _ in 0..<20 { _ = try await style.read(stream) }
            stream.close()
        }
    }

    @Test(arguments: Style.allCases) func `a slow producer does not use up the idle timeout`(_ style: Style) async throws {
        let client = client { $0.idleTimeout = .milliseconds(60) }
        let body = FetchBody(streaming: { writer in
            for _ in 0..<2 {
                try await sleep(for: .milliseconds(200))
                try await writer.write([65])
            }
        })
        let request = FetchRequest(url: upstream.url("/echo"), method: .post, body: body)
        let text = try await onHub { _ in try await style.execute(client, request).text }
        #expect(text.hasSuffix("\n\nAA"))
    }

    @Test func `a long body whose pieces arrive within the idle timeout succeeds`() async throws {
        let client = client { ($0.idleTimeout, $0.responseTimeout) = (.milliseconds(500), .milliseconds(500)) }
        let url = upstream.url("/drip?n=400")
        let response = try await onHub { _ in try await client.get(url) }
        #expect(response.body.count == 1600)
    }
}

/// A listener that accepts no connection. With `fills`, its backlog is full.
private final class FullBacklog: Sendable {
    let port: Int
    private let fds: [CInt]

    init(backlog: CInt = 0, fills: Bool = true) throws {
        var fds = [socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)]
        let address = bindToLoopback(fds[0])
        precondition(listen(fds[0], backlog) == 0)
        withUnsafeBytes(of: address) { address in
            for _ in 0..<(fills ? 3 : 0) {
                let fd = socket(
                    AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
                _ = connect(
                    fd, address.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_in>.size))
                fds.append(fd)
            }
        }
        port = Int(UInt16(bigEndian: address.sin_port))
        self.fds = fds
    }

    deinit { for fd in fds { close(fd) } }
}
