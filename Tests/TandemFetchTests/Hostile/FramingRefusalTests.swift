import Tandem
import TandemFetch
import Testing

/// Responses whose end is unclear (RFC 9112, 6.3): the fetch fails, and the connection is not used again.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct FramingRefusalTests {
    private static let body = HostileContent.bytes(5, 5000)

    /// Fetches a response with each of these faults, and another one after it. Returns the outcome of the first, by name.
    private func fetch(
        _ lies: [FramingLie], _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws -> [(lie: FramingLie, result: Result<FetchResponse, FetchError>)] {
        try await withHostileUpstream(transport) { request in
            guard let index = Int(request.path.dropFirst("/lie".count)) else { return .echo(request) }
            return HostileScript(steps: [.send(lies[index].bytes(5, Self.body))], isLast: lies[index].isLast)
        } _: { upstream in
            try await onHub { _ in
                var results: [(FramingLie, Result<FetchResponse, FetchError>)] = []
                let client = hostileClient(timeout: .seconds(3))
                for (index, lie) in lies.enumerated() {
                    do {
                        results.append((lie, .success(try await style.get(client, upstream.url("/lie\(index)")))))
                    } catch let error as FetchError { results.append((lie, .failure(error))) }
                    let next = try await style.get(client, upstream.url("/next\(index)")).text
                    #expect(next == "/next\(index)", "after \(lie)")
                }
                return results
            }
        }
    }

    /// Expects `transfer` for each of these faults.
    private func expectRefusal(_ lies: [FramingLie], _ transport: HostileUpstream.Transport, _ style: Style) async throws {
        for (lie, result) in try await fetch(lies, transport, style) {
            switch result {
            case .success(let response): Issue.record("\(lie): taken as an answer of \(response.body.count) bytes")
            case .failure(let error): #expect(error.code == .transfer, "\(lie): \(error.code): \(error)")
            }
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `any malformed length is refused`(_ transport: HostileUpstream.Transport, _ style: Style) async throws {
        try await expectRefusal(FramingLie.lengths, transport, style)
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a transfer coding other than chunked is refused`(_ transport: HostileUpstream.Transport, _ style: Style) async throws {
        try await expectRefusal(FramingLie.codings, transport, style)
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `malformed chunks are refused`(_ transport: HostileUpstream.Transport, _ style: Style) async throws {
        try await expectRefusal(FramingLie.chunks, transport, style)
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a malformed status line is refused`(_ transport: HostileUpstream.Transport, _ style: Style) async throws {
        try await expectRefusal(FramingLie.statusLines, transport, style)
    }

    /// libcurl 7.88 corrupts the heap when a head begins with a folded line (curl issue 11101).
    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `tolerable faults are read correctly or refused`(_ transport: HostileUpstream.Transport, _ style: Style)
        async throws
    {
        for (lie, result) in try await fetch(FramingLie.tolerable, transport, style) {
            if case .success(let response) = result { #expect(response.body == Self.body, "\(lie)") }
        }
    }

    @Test(arguments: Style.allCases) func `the error says that chunked is the only transfer coding`(_ style: Style) async throws {
        for (lie, result) in try await fetch(FramingLie.codings, .plain, style) where lie.name.contains("transfer coding") {
            guard case .failure(let error) = result else { continue }
            #expect(error.message.contains("transfer coding"), "\(lie): \(error)")
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `repeated equal lengths count as one, and the connection is kept`(_ transport: HostileUpstream.Transport, _ style: Style)
        async throws
    {
        let answer = HostileText.raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello")
        try await withHostileUpstream(transport) { _ in
            HostileScript(steps: [.send(answer)])
        } _: { upstream in
            try await onHub { _ in
                for _ in 0..<3 {
                    let text = try await style.get(hostileClient(), upstream.url("/")).text
                    #expect(text == "hello")
                }
                #expect(upstream.ledger.counts.accepted == 1)
            }
        }
    }
}
