internal import Glibc
internal import Tandem
internal import TandemTLS
internal import TandemTesting
internal import Testing

@Suite(.serialized, .timeLimit(.minutes(2)))
struct TLSStreamTests {
    let site = Site()

    // MARK: Bytes

    @Test(arguments: Style.allCases, [TLSConfiguration.Version.tls12, .tls13])
    func `lines, exact counts and pieces are read, and then the end`(style: Style, minimum: TLSConfiguration.Version) async throws
    {
        try await onHub {
            let (client, server) = try await site.pair(style, minimum: minimum)
            defer { for end in [client, server] { end.close() } }
            try await client.write(style, "one\r\ntwo\n")
            #expect(try await server.readLine(style) == "one")
            #expect(try await server.readLine(style) == "two")
            let reader = spawn { try await client.readExactly(style, 6) }
            try await server.write(style, "abc")
            try await server.write(style, "def")
            #expect(try await reader.value == Array("abcdef".utf8))
            try await server.write(style, "hello, world")
            #expect(try await client.read(style, atMost: 5) == Array("hello".utf8))
            try await server.finishWriting(style)
            #expect(try await client.readLine(style) == ", world")
            #expect(try await client.readLine(style) == nil)
            #expect(try await client.read(style, atMost: 1) == nil)
        }
    }

    @Test(arguments: Style.allCases)
    func `64 megabytes cross a connection both ways at once`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await site.pair(style)
            defer { for end in [client, server] { end.close() } }
            let total = 64 << 20
            let transfers = [(client, server, UInt8(1)), (server, client, UInt8(2))].map { from, to, seed in
                let writer = spawn {
                    let sum = Checksum()
                    var block = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 31) &+ seed }
                    while sum.count < total {
                        block[0] &+= 1
                        block[sum.count >> 16 & 0x7FFF] &+= 1
                        try await from.write(style, block)
                        sum.add(block)
                    }
                    try await from.finishWriting(style)
                    return sum.digest()
                }
                let reader = spawn {
                    let sum = Checksum()
                    while let bytes = try await to.read(style, atMost: 65_536) { sum.add(bytes) }
                    #expect(sum.count == total)
                    return sum.digest()
                }
                return (writer, reader)
            }
            for (writer, reader) in transfers { #expect(try await writer.value == reader.value) }
        }
    }

    @Test func `a reader of a fast peer lets other tasks run`() async throws {
        try await onHub {
            let (client, server) = try await site.pair()
            defer { for end in [client, server] { end.close() } }
            let writer = spawn { try await client.write([UInt8](repeating: 1, count: 20 << 20)) }
            let other = spawn {
                var turns = 0
                while !Task.isCancelled {
                    turns += 1
                    await Task.yield()
                }
                return turns
            }
            _ = try await server.readExactly(20 << 20)
            other.cancel()
            #expect(try await other.value >= 10)
            try await writer.value
        }
    }

    @Test(arguments: Style.allCases)
    func `lines are put together from pieces of any size`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await site.pair(style)
            defer { for end in [client, server] { end.close() } }
            let lines = (0..<300).map { String(repeating: "line \($0) ", count: $0 * 7 % 200) }
            let bytes = Array(lines.map { $0 + "\n" }.joined().utf8)
            let writer = spawn {
                var (start, number) = (0, 0)
                while start < bytes.count {
                    number += 1
                    let end = min(bytes.count, start + number * 997 % 5_000 + 1)
                    try await client.write(style, Array(bytes[start..<end]))
                    start = end
                }
                try await client.finishWriting(style)
            }
            var received: [String] = []
            while let line = try await server.readLine(style) { received.append(line) }
            #expect(received == lines)
            try await writer.value
        }
    }

    // MARK: Ending

    @Test(arguments: Style.allCases)
    func `after half-closing, the other direction goes on`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await site.pair(style)
            defer { for end in [client, server] { end.close() } }
            try await client.write(style, "question")
            try await client.finishWriting(style)
            try await client.finishWriting(style)
            #expect(try await server.readLine(style) == "question")
            #expect(try await server.readLine(style) == nil)
            try await server.write(style, "answer\n")
            #expect(try await client.readLine(style) == "answer")
            let error = await tandemError { try await client.write(style, "more") }
            #expect(error?.code == .systemCall)
            #expect(error?.errno == EPIPE)
        }
    }

    @Test(arguments: Style.allCases)
    func `close wakes the reader and the writer, and later calls throw`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await site.pair(style)
            let reader = spawn { try await client.readLine(style) }
            let writer = spawn { try await client.write(style, [UInt8](repeating: 1, count: 32 << 20)) }
            try await sleep(for: .milliseconds(50))
            #expect(!client.isClosed)
            client.close()
            #expect(client.isClosed)
            #expect(await tandemError { _ = try await reader.value }?.code == .closed)
            #expect(await tandemError { try await writer.value }?.code == .closed)
            #expect(await tandemError { _ = try await client.read(style, atMost: 1) }?.code == .closed)
            #expect(await tandemError { try await client.write(style, "x") }?.code == .closed)
            #expect(await tandemError { try await client.finishWriting(style) }?.code == .closed)
            #expect(await tandemError { try await client.wait(for: .readable) }?.code == .closed)
            client.close()
            server.close()
        }
    }

    @Test func `close announces the end to the peer`() async throws {
        try await onHub {
            let (client, server) = try await site.pair()
            try await client.write("bye")
            client.close()
            #expect(try await server.readLine() == "bye")
            #expect(try await server.readLine() == nil)
            server.close()
        }
    }

    @Test func `dropping a stream closes it, on any thread`() async throws {
        try await onHub {
            let server = try await site.pair().1
            #expect(try await server.readLine() == nil)
            server.close()

            let (other, another) = try await site.pair()
            let ending = Task.detached { other.close() }
            #expect(try await another.readLine() == nil)
            await ending.value
            another.close()
        }
    }

    // MARK: Deadlines, cancellation, misuse

    @Test(arguments: Style.allCases)
    func `a read that is cancelled or times out leaves what has arrived`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await site.pair(style)
            defer { for end in [client, server] { end.close() } }
            try await client.write("half a li")
            for _ in 0..<3 {
                let error = await tandemError { _ = try await server.readLine(style, deadline: .after(.milliseconds(5))) }
                #expect(error?.code == .timedOut)
            }
            let reader = spawn { try await server.readLine(style) }
            try await sleep(for: .milliseconds(10))
            reader.cancel()
            #expect(await failure { _ = try await reader.value } is CancellationError)
            try await client.write("ne\n")
            #expect(try await server.readLine(style) == "half a line")
        }
    }

    @Test(arguments: Style.allCases)
    func `after an interrupted write, later writes arrive whole`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await site.pair(style)
            defer { for end in [client, server] { end.close() } }
            let much = [UInt8](repeating: 1, count: 32 << 20)
            let error = await tandemError { try await client.write(style, much, deadline: .after(.milliseconds(50))) }
            #expect(error?.code == .timedOut)
            let writer = spawn { try await client.write(style, much) }
            try await sleep(for: .milliseconds(20))
            writer.cancel()
            #expect(await failure { try await writer.value } is CancellationError)
            let reader = spawn { () -> [UInt8] in
                var last: [UInt8] = []
                while let bytes = try await server.read(atMost: 65_536) {
                    last = Array((last + bytes).suffix(3))
                }
                return last
            }
            try await client.write(style, [7, 8, 9])
            try await client.finishWriting(style)
            #expect(try await reader.value == [7, 8, 9])
        }
    }

    @Test(arguments: Style.allCases)
    func `a second reader and a second writer are refused`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await site.pair(style)
            defer { for end in [client, server] { end.close() } }
            let reader = spawn { try await client.readLine(style) }
            let writer = spawn { try await client.write(style, [UInt8](repeating: 1, count: 32 << 20)) }
            try await sleep(for: .milliseconds(50))
            let second = await tandemError { _ = try await client.read(style, atMost: 1) }
            #expect(second?.code == .descriptorBusy)
            #expect(second?.message.contains("another call already reads from this stream") == true)
            #expect(await tandemError { try await client.write(style, "x") }?.code == .descriptorBusy)
            #expect(await tandemError { try await client.finishWriting(style) }?.code == .descriptorBusy)
            try await server.write("line\n")
            #expect(try await reader.value == "line")
            #expect(try await server.readExactly(32 << 20).count == 32 << 20)
            try await writer.value
        }
    }

    @Test func `a stream is used on its own hub only, and blocking calls on green threads only`() async throws {
        try await onHub {
            let (client, server) = try await site.pair()
            defer { for end in [client, server] { end.close() } }
            let elsewhere = try await HubGroup.shared.hubs[0].spawn {
                await tandemError { _ = try await client.read(atMost: 1) }
            }.value
            #expect(elsewhere?.code == .wrongHub)
            func synchronously(_ body: () throws -> Void) throws { try body() }
            let context = try site.client()
            let calls: [() throws -> Void] = [
                { _ = try client.readLine() }, { try client.write("x") }, { try client.finishWriting() },
                { try client.wait(for: .readable) },
                { _ = try TLSStream.connect(host: "localhost", port: 1, context: context) },
            ]
            for call in calls {
                #expect(await tandemError { try synchronously(call) }?.code == .notOnGreenThread)
            }
        }
    }

    @Test func `a wait for input returns at once while OpenSSL holds received bytes`() async throws {
        try await onHub {
            let (client, server) = try await site.pair()
            defer { for end in [client, server] { end.close() } }
            try await client.write([UInt8](repeating: 1, count: 1_000))
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
            defer { memory.deallocate() }
            for _ in 0..<1_000 {
                #expect(try await server.read(into: memory) == 1)
                try await server.wait(for: .readable, deadline: .after(.milliseconds(1)))
            }
            _ = try server.receiveAvailable(into: memory)
            let error = await tandemError { try await server.wait(for: .readable, deadline: .after(.milliseconds(5))) }
            #expect(error?.code == .timedOut)
        }
    }
}
