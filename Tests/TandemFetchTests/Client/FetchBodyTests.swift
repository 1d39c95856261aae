import HTTPTypes
import Tandem
import TandemFetch
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchBodyTests {
    let upstream = Upstream()
    let client = FetchClient()

    /// A body written by a producer of the given style.
    private func body(
        _ style: Style, _ pieces: [[UInt8]], contentLength: Int? = nil, isRepeatable: Bool = false
    ) -> FetchBody {
        switch style {
        case .async:
            FetchBody(
                contentLength: contentLength, isRepeatable: isRepeatable,
                streaming: { writer in
                    for piece in pieces {
                        try await sleep(for: .zero)
                        try await writer.write(piece)
                    }
                })
        case .blocking:
            FetchBody(
                contentLength: contentLength, isRepeatable: isRepeatable,
                streaming: { writer in
                    for piece in pieces {
                        try sleep(for: .zero)
                        try writer.write(piece)
                    }
                })
        }
    }

    private let pieces = (0..<20).map { Array("piece \($0);".utf8) }

    @Test(arguments: Style.allCases, Style.allCases)
    func `a stream with a length announces it, one without is sent chunked`(_ caller: Style, _ producer: Style) async throws {
        for (length, field) in [(nil, "Transfer-Encoding: chunked"), (pieces.joined().count, "Content-Length: ")] {
            var request = FetchRequest(url: upstream.url("/echo"), method: .post)
            request.body = body(producer, pieces, contentLength: length)
            let text = try await onHub { [request] _ in try await caller.execute(client, request).text }
            #expect(text.contains(field) && text.hasSuffix("\n\n" + String(decoding: pieces.joined(), as: UTF8.self)))
            #expect(!text.contains("Expect"))
        }
    }

    @Test(arguments: Style.allCases) func `an empty stream is an empty body`(_ style: Style) async throws {
        let request = FetchRequest(url: upstream.url("/echo"), method: .put, body: body(style, []))
        let text = try await onHub { _ in try await style.execute(client, request).text }
        #expect(text.hasPrefix("PUT /echo\n") && text.hasSuffix("\n\n"))
    }

    @Test func `an async sequence may be a body`() async throws {
        let lines = BlockingProducer<[UInt8]>({ send in for line in 0..<3 { try send(Array("\(line)".utf8)) } })
        let request = FetchRequest(url: upstream.url("/echo"), method: .post, body: FetchBody(lines))
        let text = try await onHub { _ in try await client.execute(request).text }
        #expect(text.hasSuffix("\n\n012"))
    }

    @Test(arguments: Style.allCases) func `the body is sent while the response is read`(_ style: Style) async throws {
        let request = FetchRequest(url: upstream.url("/mirror"), method: .post, body: body(style, pieces))
        try await onHub { _ in
            let stream = try await style.stream(client, request)
            var received: [UInt8] = []
            while let piece = try await style.read(stream) { received += piece }
            #expect(received == Array(pieces.joined()))
        }
    }

    /// The server reads nothing until it is told to, so everything produced before lies in buffers.
    @Test(arguments: Style.allCases, [false, true]) func `a slow upstream holds the producer back`(_ style: Style, _ tls: Bool)
        async throws
    {
        let upstream = Upstream(tls: tls)
        let scheme = tls ? "https" : "http"
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        let client = FetchClient(configuration: configuration)
        let (total, piece) = (64 * 1024 * 1024, [UInt8](repeating: 7, count: 64 * 1024))
        try await onHub { hub in
            let produced = Counter()
            let body =
                switch style {
                case .async:
                    FetchBody(
                        contentLength: total,
                        streaming: { writer in
                            for _ in 0..<total / piece.count { try await writer.write(piece); produced.value += piece.count }
                        })
                case .blocking:
                    FetchBody(
                        contentLength: total,
                        streaming: { writer in
                            for _ in 0..<total / piece.count { try writer.write(piece); produced.value += piece.count }
                        })
                }
            let done = Event<FetchResponse>()
            let request = FetchRequest(url: upstream.url("/slowreader", scheme: scheme), method: .post, body: body)
            _ = style.start(hub, client, request, done: done)
            // Waits until the producer stops.
            var before = -1
            try await until {
                defer { before = produced.value }
                try await sleep(for: .milliseconds(50))
                return produced.value > 0 && produced.value == before
            }
            // The two buffers of the kernel, libcurl's and Tandem's.
            #expect(produced.value < 16 * 1024 * 1024, "\(produced.value)")
            _ = try await client.get(upstream.url("/open", scheme: scheme))
            let text = try await done.wait().text
            #expect(text == "\(total)" && produced.value == total)
        }
    }

    struct Broken: Error, Equatable { let number: Int }

    @Test(arguments: Style.allCases, Style.allCases)
    func `the caller gets the producer's error unchanged`(_ caller: Style, _ producer: Style) async throws {
        let body =
            switch producer {
            case .async:
                FetchBody(streaming: {
                    try await $0.write([1]); throw Broken(number: 42)
                })
            case .blocking:
                FetchBody(streaming: {
                    try $0.write([1]); throw Broken(number: 42)
                })
            }
        let request = FetchRequest(url: upstream.url("/echo"), method: .post, body: body)
        try await onHub { hub in
            await #expect(throws: Broken(number: 42)) { _ = try await caller.execute(client, request) }
            #expect(FetchStatistics(of: hub).transfers == 0)
        }
    }

    @Test(arguments: [(3, "ended after 2 of the 3"), (1, "longer than the 1")])
    func `a body that does not match its announced length is an error`(_ announced: Int, _ words: String) async throws {
        let body = FetchBody(
            contentLength: announced,
            streaming: {
                try await $0.write([1]); try await $0.write([2])
            })
        let request = FetchRequest(url: upstream.url("/echo"), method: .post, body: body)
        let error = try await onHub { _ in try await fetchError { try await client.execute(request) } }
        #expect(error?.code == .badRequest && error?.message.contains(words) == true, "\(String(describing: error))")
    }

    @Test(arguments: Style.allCases, Style.allCases)
    func `cancelling the caller cancels the producer and waits for it`(_ caller: Style, _ producer: Style) async throws {
        try await onHub { hub in
            let (started, unwound) = (Event<Void>(), Counter())
            let body =
                switch producer {
                case .async:
                    FetchBody(streaming: { _ in
                        defer { unwound.value += 1 }
                        started.send(())
                        try await sleep(for: .seconds(600))
                    })
                case .blocking:
                    FetchBody(streaming: { _ in
                        defer { unwound.value += 1 }
                        started.send(())
                        try sleep(for: .seconds(600))
                    })
                }
            let done = Event<FetchResponse>()
            let request = FetchRequest(url: upstream.url("/echo"), method: .post, body: body)
            let cancel = caller.start(hub, client, request, done: done)
            try await started.wait()
            cancel()
            await #expect(throws: CancellationError.self) { try await done.wait() }
            #expect(unwound.value == 1 && FetchStatistics(of: hub).transfers == 0)
        }
    }

    @Test func `a waiting producer is cancelled when the response does not need its body`() async throws {
        try await onHub { hub in
            let (begun, unwound) = (Counter(), Counter())
            let body = FetchBody(streaming: { writer in
                begun.value += 1
                defer { unwound.value += 1 }
                try await writer.write([1])
                try await sleep(for: .seconds(600))
            })
            let request = FetchRequest(url: upstream.url("/final?n=413"), method: .post, body: body)
            let response = try await client.execute(request)
            #expect(response.status.code == 413 && response.text == "final")
            // The response may arrive before the producer has begun.
            #expect(unwound.value == begun.value)
        }
    }

    @Test func `the producer sees the caller's task-locals`() async throws {
        let body = FetchBody(streaming: { try $0.write(Array(Tag.current.utf8)) })
        let request = FetchRequest(url: upstream.url("/echo"), method: .post, body: body)
        let text = try await onHub { _ in
            try await Tag.$current.withValue("from the caller") { try await client.execute(request).text }
        }
        #expect(text.hasSuffix("from the caller"))
    }

    @Test(arguments: [307, 308]) func `a redirect that needs the stream again is an error that says so`(_ status: Int)
        async throws
    {
        var request = FetchRequest(url: upstream.url("/redirect?n=\(status)&to=/echo"), method: .post)
        request.followRedirects = 1
        request.body = body(.async, pieces)
        let error = try await onHub { [request] _ in try await fetchError { try await client.execute(request) } }
        #expect(error?.code == .bodyNotRepeatable && error?.message.contains("isRepeatable") == true)
    }

    @Test(arguments: Style.allCases) func `a repeatable stream is produced again for a redirect`(_ style: Style) async throws {
        var request = FetchRequest(url: upstream.url("/redirect?n=307&to=/echo"), method: .post)
        request.followRedirects = 1
        request.body = body(style, pieces, isRepeatable: true)
        let text = try await onHub { [request] _ in try await style.execute(client, request).text }
        #expect(text.hasPrefix("POST /echo\n") && text.hasSuffix(String(decoding: pieces.joined(), as: UTF8.self)))
    }

    // MARK: Expect

    @Test func `with Expect the body is sent after 100 Continue`() async throws {
        var request = FetchRequest(url: upstream.url("/echo"), method: .post, body: body(.async, pieces))
        request.expectsContinue = true
        let text = try await onHub { [request] _ in try await client.execute(request).text }
        #expect(text.contains("Expect: 100-continue") && text.hasSuffix(String(decoding: pieces.joined(), as: UTF8.self)))
    }

    @Test(arguments: [307, 403])
    func `with Expect a body is not produced for an upstream that declines it`(_ status: Int) async throws {
        try await onHub { _ in
            let produced = Counter()
            let body = FetchBody(streaming: { writer in
                produced.value += 1
                try await writer.write([1])
            })
            var request = FetchRequest(url: upstream.url("/final?n=\(status)&to=/echo"), method: .post, body: body)
            request.expectsContinue = true
            request.followRedirects = 1
            let response = try await client.execute(request)
            // The stream, still unused, is sent to the target of the redirect.
            #expect(response.status.code == (status == 307 ? 200 : status))
            #expect(produced.value == (status == 307 ? 1 : 0))
        }
    }

    /// libcurl would repeat the request endlessly.
    @Test(arguments: [HTTPRequest.Method.put, .post])
    func `an upstream that refuses Expect is asked once, and the error says so`(_ method: HTTPRequest.Method) async throws {
        var request = FetchRequest(url: upstream.url("/literal"), method: method, body: [1, 2, 3])
        request.expectsContinue = true
        let error = try await onHub { [request] _ in try await fetchError { try await client.execute(request) } }
        #expect(error?.code == .badRequest && error?.message.contains("expectsContinue") == true)
    }
}

/// A counter for one hub.
final class Counter: @unchecked Sendable {
    var value = 0
}

private enum Tag {
    @TaskLocal static var current = "nobody"
}
