import HTTPTypes
import Tandem
import TandemFetch
import Testing

/// Kept connections that turn out to be dead. A repeatable request gets a new connection, however many are dead. No
/// `RetryPolicy` is needed.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct DeadConnectionTests {
    private static let kept = 8
    /// With these endings a client may send its request before it sees the end.
    private static let endings = [HostileEnding.proper, .cut, .reset]

    /// Opens eight connections that behave like this after their first use, then runs `body` on the same hub.
    private func withKeptConnections(
        _ transport: HostileUpstream.Transport, _ afterwards: HostileScript.Afterwards,
        _ body: @escaping @Sendable (HostileUpstream, FetchClient) async throws -> Void
    ) async throws {
        let gate = HostileGate()
        try await withHostileUpstream(transport) { request in
            guard request.path == "/hold" else { return .echo(request) }
            // The upstream responds when all requests have arrived, so that each has its own connection.
            return HostileScript(
                steps: [.call { gate.arrive(andWaitFor: Self.kept) }, .send(HostileText.answer("held"))], afterwards: afterwards)
        } _: { upstream in
            try await onHub { hub in
                let client = hostileClient()
                let holders = (0..<Self.kept).map { _ in hub.spawn { try await client.get(upstream.url("/hold")).text } }
                for holder in holders {
                    let text = try await holder.value
                    #expect(text == "held")
                }
                #expect(upstream.ledger.counts.accepted == Self.kept)
                // Waits until the upstream has ended the idle connections.
                if case .endWhenIdle = afterwards { try await sleep(for: .milliseconds(150)) }
                try await body(upstream, client)
            }
        }
    }

    private static let repeatable: [(HTTPRequest.Method, FetchBody?)] = [
        (.get, nil), (.head, nil), (.delete, nil), (.put, [1, 2, 3]),
        (.put, FetchBody(isRepeatable: true, streaming: { writer in try await writer.write([1, 2, 3]) })),
    ]

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a repeatable request succeeds when every kept connection ends on use`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        for ending in Self.endings {
            for (method, content) in Self.repeatable {
                try await withKeptConnections(transport, .endOnNextRequest(ending)) { upstream, client in
                    let request = FetchRequest(url: upstream.url("/next"), method: method, body: content)
                    let response = try await style.execute(client, request)
                    #expect(response.text == (method == .head ? "" : "/next"), "\(ending), \(method)")
                }
            }
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `any request succeeds when every kept connection has ended`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        let unrepeatable = FetchBody(streaming: { writer in try await writer.write([1, 2, 3]) })
        for ending in Self.endings {
            for (method, content) in Self.repeatable + [(.post, nil), (.post, [1, 2, 3]), (.post, unrepeatable)] {
                // After a pause, because a reset must not overtake the response.
                try await withKeptConnections(transport, .endWhenIdle(ending, milliseconds: 50)) { upstream, client in
                    let request = FetchRequest(url: upstream.url("/next"), method: method, body: content)
                    let response = try await style.execute(client, request)
                    #expect(response.text == (method == .head ? "" : "/next"), "\(ending), \(method)")
                }
            }
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a POST on a connection that ends on use fails, and the error says that it may have been processed`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        let stream = FetchBody(isRepeatable: true, streaming: { writer in try await writer.write([1, 2, 3]) })
        for ending in Self.endings {
            for content: FetchBody? in [nil, [1, 2, 3], stream] {
                try await withKeptConnections(transport, .endOnNextRequest(ending)) { upstream, client in
                    let request = FetchRequest(url: upstream.url("/next"), method: .post, body: content)
                    let error = try await fetchError { try await style.execute(client, request) }
                    #expect(error?.code == .transfer, "\(ending): \(String(describing: error))")
                    #expect(error?.message.contains("may have been acted on") == true, "\(ending): \(String(describing: error))")
                    // The request was sent once.
                    #expect(upstream.ledger.counts.severed == 1, "\(ending)")
                }
            }
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a new connection that ends before the response fails the request`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        for ending in Self.endings {
            try await withHostileUpstream(transport) { _ in
                HostileScript(steps: [], afterwards: .end(ending), isLast: true)
            } _: { upstream in
                try await onHub { _ in
                    let error = try await fetchError { try await style.get(hostileClient(), upstream.url("/")) }
                    #expect(error?.code == .transfer, "\(ending): \(String(describing: error))")
                    #expect(upstream.ledger.counts.accepted == 1, "\(ending)")
                }
            }
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `connections that end before HTTP begins fail only their own request`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        var doors: [HostileUpstream.Door] = [.ends(.cut), .ends(.reset)]
        if transport != .plain {
            doors += [.says(HostileText.raw("HTTP/1.1 400 Bad Request\r\n\r\n")), .says([0x15, 3, 3, 0, 2, 2, 40])]
        }
        for door in doors {
            try await withHostileUpstream(transport, door: { $0 == 1 ? door : .open }, script: HostileScript.echo) { upstream in
                try await onHub { _ in
                    let client = hostileClient()
                    let error = try await fetchError { try await style.get(client, upstream.url("/first")) }
                    // A reset may come before the client has noticed that the connection was established.
                    let codes: [FetchError.Code] = [.transfer, .couldNotConnect] + (transport == .plain ? [] : [.tls])
                    #expect(error.map { codes.contains($0.code) } == true, "\(String(describing: error))")
                    let text = try await style.get(client, upstream.url("/second")).text
                    #expect(text == "/second")
                }
            }
        }
    }
}
