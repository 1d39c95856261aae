import HTTPTypes
import Tandem
import TandemFetch
import Testing

/// An exchange ends with its response or its connection, even while its upload or its reader is stalled.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct AnswerBeforeUploadTests {
    /// The bound for "at once" on a busy machine.
    private static let soon = Duration.seconds(3)
    private let client = hostileClient(timeout: .seconds(6))
    private static let answers = [
        HostileText.answer("fin"), HostileText.raw("HTTP/1.1 413 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfin\r\n0\r\n\r\n"),
        HostileText.raw("HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 3\r\n\r\nfin"),
    ]

    /// A body of either style that produces 1,000 bytes and then stalls. Counts its end in `unwound`.
    private func stalled(_ style: Style, isAnnounced: Bool, _ unwound: Counter) -> FetchBody {
        let (length, piece) = (isAnnounced ? 100_000 : nil, [UInt8](repeating: 0x78, count: 1000))
        switch style {
        case .async:
            return FetchBody(
                contentLength: length,
                streaming: { writer in
                    defer { unwound.value += 1 }
                    try await writer.write(piece)
                    try await sleep(for: .seconds(600))
                })
        case .blocking:
            return FetchBody(
                contentLength: length,
                streaming: { writer in
                    defer { unwound.value += 1 }
                    try writer.write(piece)
                    try sleep(for: .seconds(600))
                })
        }
    }

    /// The response's head comes during the upload, its body only when more of the upload has been read.
    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `the connection of an upload that a response cut off is not used again`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        let piece = [UInt8](repeating: 0x78, count: 64 * 1024)
        for isAnnounced in [false, true] {
            try await withHostileUpstream(transport) { request in
                guard request.path == "/refused" else { return .echo(request) }
                let head = HostileText.raw("HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\n")
                return HostileScript(
                    steps: [
                        .readSome(1000), .send(head), .pause(milliseconds: 20), .readSome(200_000), .send(Array("fin".utf8)),
                    ],
                    isLast: true)
            } _: { upstream in
                try await onHub { _ in
                    let body = FetchBody(
                        contentLength: isAnnounced ? 200 * piece.count : nil,
                        streaming: { for _ in 0..<200 { try await $0.write(piece) } })
                    let request = FetchRequest(url: upstream.url("/refused"), method: .post, body: body)
                    let refused = try await style.execute(client, request)
                    #expect(refused.status.code == 413 && refused.text == "fin")
                    for number in 0..<3 {
                        let text = try await style.get(client, upstream.url("/mine\(number)")).text
                        #expect(text == "/mine\(number)")
                    }
                }
            }
        }
    }

    /// The producer still waits, although the fetch no longer needs it.
    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `the idle timeout covers a response that made the upload unnecessary`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        var configuration = client.configuration
        configuration.idleTimeout = .milliseconds(300)
        let impatient = FetchClient(configuration: configuration)
        try await withHostileUpstream(transport) { _ in
            let head = HostileText.raw("HTTP/1.1 400 No\r\nContent-Length: 10\r\n\r\nfive.")
            return HostileScript(steps: [.readSome(1000), .send(head), .awaitEnd], isLast: true)
        } _: { upstream in
            try await onHub { _ in
                let body = stalled(style, isAnnounced: false, Counter())
                let request = FetchRequest(url: upstream.url("/"), method: .post, body: body)
                let took = try await elapsed {
                    let error = try await fetchError { try await style.execute(impatient, request) }
                    #expect(error?.code == .idleTimedOut, "\(String(describing: error))")
                }
                #expect(took < Self.soon)
            }
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `a response ends an exchange whose upload is stalled`(_ transport: HostileUpstream.Transport, _ style: Style)
        async throws
    {
        for answer in Self.answers {
            for isAnnounced in [false, true] {
                for reads in [0, 1000] {
                    try await withHostileUpstream(transport) { _ in
                        HostileScript(steps: [.readSome(reads), .send(answer)], isLast: true)
                    } _: { upstream in
                        try await onHub { hub in
                            let unwound = Counter()
                            let body = stalled(style, isAnnounced: isAnnounced, unwound)
                            let request = FetchRequest(url: upstream.url("/"), method: .post, body: body)
                            let took = try await elapsed {
                                let text = try await style.execute(client, request).text
                                #expect(text == "fin")
                            }
                            // The producer has unwound if it had begun.
                            #expect(took < Self.soon && unwound.value <= 1 && FetchStatistics(of: hub).transfers == 0)
                        }
                    }
                }
            }
        }
    }

    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `an upstream that disconnects during a stalled upload is noticed at once`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        for ending in HostileEnding.allCases where ending != .torn {
            for isAnnounced in [false, true] {
                try await withHostileUpstream(transport) { _ in
                    HostileScript(steps: [.readSome(1000), .pause(milliseconds: 50)], afterwards: .end(ending), isLast: true)
                } _: { upstream in
                    try await onHub { _ in
                        let unwound = Counter()
                        let body = stalled(style, isAnnounced: isAnnounced, unwound)
                        let request = FetchRequest(url: upstream.url("/"), method: .post, body: body)
                        let took = try await elapsed {
                            let error = try await fetchError { try await style.execute(client, request) }
                            #expect(error?.code == .transfer, "\(ending): \(String(describing: error))")
                        }
                        #expect(took < Self.soon && unwound.value == 1, "\(ending): \(took)")
                    }
                }
            }
        }
    }

    /// With 100,000 bytes the stream has room for more. With 3,000,000 it is full, and the client does not read the socket.
    @Test(arguments: HostileUpstream.Transport.allCases, Style.allCases)
    func `an upstream that disconnects while the stream is unread is noticed by the next read`(
        _ transport: HostileUpstream.Transport, _ style: Style
    ) async throws {
        for ending in [HostileEnding.proper, .cut, .reset] {
            for count in [100_000, 3_000_000] {
                let gate = HostileGate()
                let head = HostileText.raw("HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
                try await withHostileUpstream(transport) { _ in
                    HostileScript(
                        steps: [.send(head), .call { gate.arrive() }, .send([UInt8](repeating: 0x79, count: count))],
                        afterwards: .end(ending), isLast: true)
                } _: { upstream in
                    try await onHub { _ in
                        let stream = try await style.stream(client, FetchRequest(url: upstream.url("/")))
                        try await until { gate.count == 1 }
                        try await sleep(for: .milliseconds(300))
                        var received = 0
                        let took = try await elapsed {
                            let error = try await fetchError {
                                while let piece = try await style.read(stream) { received += piece.count }
                            }
                            #expect(error?.code == .transfer, "\(ending), \(count): \(String(describing: error))")
                        }
                        #expect(took < Self.soon && received <= count, "\(ending), \(count): \(took)")
                    }
                }
            }
        }
    }
}
