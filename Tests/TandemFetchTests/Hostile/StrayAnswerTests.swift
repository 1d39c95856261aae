import HTTPTypes
import Tandem
import TandemFetch
import Testing

/// Bytes on a kept connection that belong to no response (RFC 9112, 6.3): the next exchange never gets what arrives before it.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct StrayAnswerTests {
    private static let strays: [(name: String, bytes: [UInt8], end: HostileEnding?)] = [
        ("a second answer", HostileText.answer("STRAY"), nil),
        (
            "a 408 and the end", HostileText.answer("slow", status: "408 Request Timeout", fields: "Connection: close\r\n"),
            .proper
        ),
        ("a 408 and the end of TCP", HostileText.answer("slow", status: "408 Request Timeout"), .cut),
        ("surplus bytes", HostileText.raw("surplus"), nil), ("one byte", HostileText.raw("H"), nil),
        ("an empty line", HostileText.raw("\r\n"), nil),
        ("an interim answer", HostileText.raw("HTTP/1.1 103 Hints\r\n\r\n"), nil),
    ]

    /// Fetches `/first` with `method`, waits until the stray bytes have been sent, and checks the responses to the next requests.
    private func check(
        _ transport: HostileUpstream.Transport, _ style: Style, _ what: String, method: HTTPRequest.Method = .get,
        _ steps: @escaping @Sendable () -> [HostileScript.Step], after: HostileScript.Afterwards = .serve
    ) async throws {
        let gate = HostileGate()
        try await withHostileUpstream(transport) { request in
            guard request.path == "/first" else { return .echo(request) }
            return HostileScript(steps: steps() + [.call { gate.arrive() }], afterwards: after, isLast: true)
        } _: { upstream in
            try await onHub { _ in
                let client = hostileClient()
                let first = try await style.execute(client, FetchRequest(url: upstream.url("/first"), method: method))
                #expect(first.body.isEmpty || first.text == "first", "\(what)")
                // A client that has noticed the stray bytes closes the connection, and the upstream's script ends there.
                for _ in 0..<200 where gate.count == 0 { try await sleep(for: .milliseconds(2)) }
                try await sleep(for: .milliseconds(50))
                for (number, method) in [HTTPRequest.Method.get, .post, .get, .head, .get].enumerated() {
                    let request = FetchRequest(url: upstream.url("/mine\(number)"), method: method)
                    let response = try await style.execute(client, request)
                    #expect(response.status.code == 200, "\(what)")
                    #expect(response.text == (method == .head ? "" : "/mine\(number)"), "\(what)")
                }
            }
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `bytes that arrive on an idle connection are not taken for a response`(
        _ transport: HostileUpstream.Transport, _ style: Style
    )
        async throws
    {
        for stray in Self.strays {
            try await check(
                transport, style, stray.name,
                { [.send(HostileText.answer("first")), .pause(milliseconds: 50), .send(stray.bytes)] },
                after: stray.end.map { .end($0) } ?? .serve)
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `bytes that follow a response are not taken for the next one`(_ transport: HostileUpstream.Transport, _ style: Style)
        async throws
    {
        for stray in Self.strays {
            try await check(
                transport, style, stray.name, { [.send(HostileText.answer("first") + stray.bytes)] },
                after: stray.end.map { .end($0) } ?? .serve)
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a body after a response that has none is not taken for the next response`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        let body = HostileText.raw("{\"a\": 1}")
        let heads = [
            (HTTPRequest.Method.get, "HTTP/1.1 204 No Content\r\n\r\n"),
            (.get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 8\r\n\r\n"),
            (.get, "HTTP/1.1 204 No Content\r\nContent-Length: 8\r\n\r\n"),
            (.head, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"),
            (.head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (.get, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ]
        for (method, head) in heads {
            try await check(transport, style, "at once: \(head)", method: method, { [.send(HostileText.raw(head) + body)] })
            try await check(
                transport, style, "later: \(head)", method: method,
                { [.send(HostileText.raw(head)), .pause(milliseconds: 50), .send(body)] })
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a connection that ended while idle is not used, not even for a POST`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        for ending in HostileEnding.allCases where ending != .torn {
            try await check(
                transport, style, ending.rawValue, { [.send(HostileText.answer("first")), .pause(milliseconds: 50)] },
                after: .end(ending))
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a connection is reused, with or without session tickets`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        let gate = HostileGate()
        try await withHostileUpstream(transport) { request in
            HostileScript(
                steps: [
                    .readBody, .send(HostileText.answer(request.path)), .ticket, .pause(milliseconds: 30), .ticket,
                    .call { gate.arrive() },
                ])
        } _: { upstream in
            try await onHub { _ in
                let client = hostileClient()
                for number in 0..<5 {
                    let response = try await style.get(client, upstream.url("/\(number)"))
                    #expect(response.text == "/\(number)")
                    try await until { gate.count == number + 1 }
                    try await sleep(for: .milliseconds(20))
                }
                #expect(upstream.ledger.counts.accepted == 1)
            }
        }
    }
}
