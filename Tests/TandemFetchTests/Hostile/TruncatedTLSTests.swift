import Tandem
import TandemFetch
import Testing

/// Over TLS only close_notify ends a response that has no length (RFC 9112, 9.8): anyone can end the TCP connection.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct TruncatedTLSTests {
    private static let transports = [HostileUpstream.Transport.tls12, .tls13]
    private static let head = "HTTP/1.1 200 OK\r\n"

    /// The results of `execute` and `stream` for a response that is sent in these pieces and ended in this way.
    private func fetch(
        _ transport: HostileUpstream.Transport, _ style: Style, _ pieces: [String], _ ending: HostileEnding
    ) async throws -> [Result<String, FetchError>] {
        try await withHostileUpstream(transport) { _ in
            var steps = pieces.dropLast().flatMap { [HostileScript.Step.send(HostileText.raw($0)), .pause(milliseconds: 30)] }
            let last = HostileText.raw(pieces.last!)
            steps.append(ending == .torn ? .sendHalf(last) : .send(last))
            // A reset must not overtake the bytes sent before it.
            return HostileScript(steps: steps + [.pause(milliseconds: 30)], afterwards: .end(ending))
        } _: { upstream in
            try await onHub { _ in
                var results: [Result<String, FetchError>] = []
                let client = hostileClient()
                do {
                    results.append(.success(try await style.get(client, upstream.url("/")).text))
                } catch let error as FetchError { results.append(.failure(error)) }
                do {
                    let stream = try await style.stream(client, FetchRequest(url: upstream.url("/")))
                    var body: [UInt8] = []
                    while let piece = try await style.read(stream) { body += piece }
                    results.append(.success(String(decoding: body, as: UTF8.self)))
                } catch let error as FetchError { results.append(.failure(error)) }
                return results
            }
        }
    }

    private func expectError(_ results: [Result<String, FetchError>], _ what: String) {
        for result in results {
            switch result {
            case .success(let text): Issue.record("\(what): taken as complete: \(text)")
            case .failure(let error): #expect(error.code == .transfer, "\(what): \(error.code): \(error)")
            }
        }
    }

    @Test(arguments: transports, Style.allCases)
    func `a response without a length is complete with close_notify`(_ transport: HostileUpstream.Transport, _ style: Style)
        async throws
    {
        for ending in [HostileEnding.proper, .notifyOnly] {
            let results = try await fetch(transport, style, ["\(Self.head)\r\npay 1", "000 EUR"], ending)
            #expect(results.allSatisfy { (try? $0.get()) == "pay 1000 EUR" }, "\(ending): \(results)")
        }
    }

    @Test(arguments: transports, Style.allCases)
    func `a response without a length is truncated without close_notify`(_ transport: HostileUpstream.Transport, _ style: Style)
        async throws
    {
        for ending in [HostileEnding.cut, .torn, .reset] {
            expectError(try await fetch(transport, style, ["\(Self.head)\r\npay 1", "000 EUR"], ending), "\(ending)")
            expectError(try await fetch(transport, style, ["\(Self.head)\r\n"], ending), "\(ending), no body")
        }
    }

    @Test(arguments: transports, Style.allCases)
    func `a response with a length needs no close_notify`(_ transport: HostileUpstream.Transport, _ style: Style) async throws {
        for framing in ["Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"] {
            let results = try await fetch(transport, style, ["\(Self.head)\(framing)"], .cut)
            #expect(results.allSatisfy { (try? $0.get()) == "abc" }, "\(framing): \(results)")
        }
    }

    @Test(arguments: transports, Style.allCases)
    func `a response shorter than its length is truncated, with or without close_notify`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        for framing in ["Content-Length: 4\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3\r\n"] {
            for ending in HostileEnding.allCases {
                let pieces = ["\(Self.head)\(framing)", "abc"]
                expectError(try await fetch(transport, style, pieces, ending), "\(ending), \(framing)")
            }
        }
    }
}
