import Tandem
import TandemFetch
import Testing

/// Framing has limits of its own, whatever `maxResponseBytes` is.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct FramingLimitTests {
    private static let transports = [HostileUpstream.Transport.plain, .tls13]
    /// The client may read a megabyte. The rest is in the kernel's buffers, or on its way there.
    private static let mostSent = 16_000_000

    private func expectRefusal(_ error: FetchError?, _ what: String) {
        #expect(error?.code == .transfer || error?.code == .tooLarge, "\(what): \(String(describing: error))")
        #expect(error?.message.contains("memory") == false, "\(what): \(String(describing: error))")
    }

    /// Whether the message names a limit: a number behind the origin.
    private func namesLimit(_ error: FetchError?, _ upstream: HostileUpstream) -> Bool {
        guard let message = error?.message else { return false }
        return message.split(separator: ":\(upstream.port)").last?.contains { $0.isNumber } ?? false
    }

    @Test(arguments: transports, Style.allCases)
    func `endless framing is refused`(_ transport: HostileUpstream.Transport, _ style: Style) async throws {
        for part in EndlessFraming.allCases {
            let (opening, block) = (part.opening(0), part.block)
            try await withHostileUpstream(transport) { _ in
                HostileScript(steps: [.send(opening), .flood(block, limit: 64_000_000)], isLast: true)
            } _: { upstream in
                try await onHub { _ in
                    let error = try await fetchError { try await style.get(hostileClient(), upstream.url("/")) }
                    expectRefusal(error, part.rawValue)
                    #expect(namesLimit(error, upstream), "\(part.rawValue): \(String(describing: error))")
                }
                try await until { upstream.ledger.counts.open == 0 }
                let sent = upstream.ledger.counts.flooded
                #expect(sent < Self.mostSent, "\(part.rawValue): \(sent) bytes were sent")
            }
        }
    }

    @Test(arguments: transports, Style.allCases)
    func `an unread stream with endless framing ends by itself`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        for part in [EndlessFraming.chunkSize, .chunkExtension, .trailerLine, .trailerLines] {
            let (opening, block) = (part.opening(0), part.block)
            try await withHostileUpstream(transport) { _ in
                HostileScript(steps: [.send(opening), .flood(block, limit: 64_000_000)], isLast: true)
            } _: { upstream in
                try await onHub { _ in
                    let stream = try await style.stream(hostileClient(), FetchRequest(url: upstream.url("/")))
                    // The response is refused without a reader.
                    try await until { upstream.ledger.counts.open == 0 }
                    let error = try await fetchError { while try await style.read(stream) != nil {} }
                    expectRefusal(error, part.rawValue)
                }
                #expect(upstream.ledger.counts.flooded < Self.mostSent, "\(part.rawValue)")
            }
        }
    }

    @Test(arguments: transports, Style.allCases)
    func `a long header line is accepted or refused with an accurate error`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        for count in [120_000, 200_000, 1_000_000] { try await fetchLongLine(count, transport, style) }
    }

    private func fetchLongLine(_ count: Int, _ transport: HostileUpstream.Transport, _ style: Style) async throws {
        let field = "X-Long: \(String(repeating: "a", count: count))\r\n"
        try await withHostileUpstream(transport) { _ in
            HostileScript(steps: [.send(HostileText.answer("long", fields: field))])
        } _: { upstream in
            try await onHub { _ in
                do {
                    let response = try await style.get(hostileClient(), upstream.url("/"))
                    #expect(response.text == "long")
                } catch let error as FetchError {
                    expectRefusal(error, "a long line")
                    #expect(namesLimit(error, upstream), "\(error)")
                }
            }
        }
    }

    /// Well-formed responses stay below the limits.
    @Test(arguments: transports, Style.allCases)
    func `many small chunks, several interim responses and long fields are accepted`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        let interim = String(repeating: "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n", count: 5)
        let fields = (0..<40).map { "X-\($0): \(String(repeating: "a", count: 200))\r\n" }.joined()
        let chunks = String(repeating: "1;a=b\r\nx\r\n", count: 1000)
        let answer = "\(interim)HTTP/1.1 200 OK\r\n\(fields)Transfer-Encoding: chunked\r\n\r\n\(chunks)0\r\nX-Trailer: a\r\n\r\n"
        try await withHostileUpstream(transport) { _ in
            HostileScript(steps: [.send(HostileText.raw(answer))])
        } _: { upstream in
            try await onHub { _ in
                for _ in 0..<2 {
                    let text = try await style.get(hostileClient(), upstream.url("/")).text
                    #expect(text == String(repeating: "x", count: 1000))
                }
                #expect(upstream.ledger.counts.accepted == 1)
            }
        }
    }
}
