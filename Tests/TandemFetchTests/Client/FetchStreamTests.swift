import HTTPTypes
import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FetchStreamTests {
    let upstream = Upstream()
    let client = FetchClient()

    @Test(arguments: Style.allCases) func `a stream returns the head, then pieces, then nil`(_ style: Style) async throws {
        let url = upstream.url("/drip?n=20")
        try await onHub { _ in
            let stream = try await style.stream(client, FetchRequest(url: url))
            #expect(stream.status == .ok && stream.url == url && stream.headers[.transferEncoding] == "chunked")
            var pieces = 0
            var body: [UInt8] = []
            while let piece = try await style.read(stream) {
                pieces += 1
                body += piece
            }
            #expect(pieces > 1)
            #expect(body == Array(String(repeating: "drip", count: 20).utf8))
            let again = try await style.read(stream)
            #expect(again == nil)
        }
    }

    @Test func `a stream is an async sequence`() async throws {
        let url = upstream.url("/big?n=1000000")
        try await onHub { _ in
            var count = 0
            for try await piece in try await client.stream(FetchRequest(url: url)) { count += piece.count }
            #expect(count == 1_000_000)
        }
    }

    @Test(arguments: Style.allCases) func `a slow reader holds the server back`(_ style: Style) async throws {
        let url = upstream.url("/endless")
        try await onHub { _ in
            var request = FetchRequest(url: url)
            request.maxResponseBytes = .max
            let stream = try await style.stream(client, request)
            var received = 0
            for _ in 0..<20 {
                // Waits until the stream is full, and has had time to overflow.
                try await until { stream.buffered > 200 * 1024 }
                try await sleep(for: .milliseconds(2))
                #expect(stream.buffered <= 256 * 1024)
                received += try await style.read(stream)?.count ?? 0
                #expect(stream.buffered <= 256 * 1024)
            }
            #expect(received > 20 * 200 * 1024)
            stream.close()
            try await until { try await upstream.count("disconnects") == 1 }
        }
    }

    @Test(arguments: Style.allCases) func `a stream is decoded under backpressure`(_ style: Style) async throws {
        let url = upstream.url("/gzip?n=8000000")
        try await onHub { _ in
            let stream = try await style.stream(client, FetchRequest(url: url))
            var count = 0
            while let piece = try await style.read(stream) {
                #expect(piece.count <= 256 * 1024 && piece.allSatisfy { $0 == UInt8(ascii: "z") })
                count += piece.count
                try await sleep(for: .zero)
            }
            #expect(count == 8_000_000)
        }
    }

    @Test(arguments: Style.allCases) func `a stream counts against the size limit`(_ style: Style) async throws {
        let url = upstream.url("/endless")
        try await onHub { _ in
            var request = FetchRequest(url: url)
            request.maxResponseBytes = 1_000_000
            let stream = try await style.stream(client, request)
            var received = 0
            let error = try await fetchError { while let piece = try await style.read(stream) { received += piece.count } }
            #expect(error?.code == .tooLarge)
            #expect(received <= 1_000_000 && received > 900_000)
        }
    }

    @Test(arguments: Style.allCases) func `bytes that arrived before the connection broke are returned`(_ style: Style)
        async throws
    {
        let url = upstream.url("/reset")
        try await onHub { _ in
            let stream = try await style.stream(client, FetchRequest(url: url))
            var received = 0
            let error = try await fetchError { while let piece = try await style.read(stream) { received += piece.count } }
            #expect(error?.code == .transfer)
            #expect(received == 100)
        }
    }

    @Test(arguments: Style.allCases) func `the deadline covers the body`(_ style: Style) async throws {
        let url = upstream.url("/stall")
        try await onHub { _ in
            var request = FetchRequest(url: url)
            request.deadline = .after(.milliseconds(80))
            let stream = try await style.stream(client, request)
            let first = try await style.read(stream)
            #expect(first == Array("stall".utf8))
            let error = try await fetchError { try await style.read(stream) }
            #expect(error?.code == .timedOut)
        }
    }

    @Test func `the deadline frees an unread stream`() async throws {
        let url = upstream.url("/endless")
        try await onHub { hub in
            var request = FetchRequest(url: url)
            request.deadline = .after(.milliseconds(80))
            let stream = try await client.stream(request)
            try await until { FetchStatistics(of: hub).transfers == 0 }
            var received = 0
            let error = try await fetchError { while let piece = try await stream.read() { received += piece.count } }
            #expect(error?.code == .timedOut && received > 0)
        }
    }

    @Test func `closing a stream wakes its reader`() async throws {
        let url = upstream.url("/stall")
        try await onHub { hub in
            let stream = try await client.stream(FetchRequest(url: url))
            _ = try await stream.read()
            let reader = GreenThread(on: hub) { try stream.read() }
            try await until { hub.statistics.greenThreads == 1 }
            stream.close()
            let error = try await fetchError { try await reader.wait() }
            #expect(error?.code == .closed)
            let after = try await fetchError { try await stream.read() }
            #expect(after?.code == .closed)
        }
    }

    @Test func `a second reader is refused`() async throws {
        let url = upstream.url("/stall")
        try await onHub { hub in
            let stream = try await client.stream(FetchRequest(url: url))
            _ = try await stream.read()
            let reader = GreenThread(on: hub) { try stream.read() }
            try await until { hub.statistics.greenThreads == 1 }
            let error = try await fetchError { try await stream.read() }
            #expect(error?.code == .busy)
            #expect(!reader.isFinished)
            reader.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await reader.wait() }
        }
    }

    @Test func `a dropped stream releases its connection`() async throws {
        let url = upstream.url("/endless")
        try await onHub { hub in
            _ = try await client.stream(FetchRequest(url: url))
            #expect(FetchStatistics(of: hub).transfers == 0)
            try await until { try await upstream.count("disconnects") == 1 }
        }
    }

    @Test func `other threads may read and drop a stream`() async throws {
        let url = upstream.url("/endless")
        try await onHub { hub in
            let read = Event<Int>()
            do {
                let stream = try await client.stream(FetchRequest(url: url))
                Task.detached {
                    do {
                        let first = try await stream.read()?.count ?? 0
                        read.send(try await onThread { try stream.read()?.count ?? 0 } + first)
                    } catch { read.fail(error) }
                }
            }
            let count = try await read.wait()
            #expect(count > 0)
            try await until { FetchStatistics(of: hub).transfers == 0 }
        }
    }

    @Test func `a stream may outlive its hub`() async throws {
        let url = upstream.url("/endless")
        let stream = try await onThread { try Hub.run { try await client.stream(FetchRequest(url: url)) } }
        let error = await #expect(throws: TandemError.self) { try await stream.read() }
        #expect(error?.code == .hubStopped)
        stream.close()
        try await until { try await upstream.count("disconnects") == 1 }
    }
}
