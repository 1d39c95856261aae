internal import COpenSSL
internal import Glibc
internal import Tandem
internal import TandemTLS
internal import TandemTesting
internal import Testing

/// What a peer or a network may do to an established connection.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct HostilePeerTests {
    let site = Site()

    /// Returns a client and a server that are connected through a relay.
    private func relayed() async throws -> (Relay, TLSStream, TLSStream) {
        let (relay, client, server) = try await Relay.make()
        let context = try site.server()
        let accepting = spawn { try await TLSStream.accept(over: server, context: context) }
        let connected = try await TLSStream.connect(over: client, host: "localhost", context: try site.client())
        return (relay, connected, try await accepting.value)
    }

    // MARK: Truncation

    @Test(arguments: Style.allCases)
    func `an end without close_notify is an error, and what has arrived can be read`(style: Style) async throws {
        try await onHub {
            let (relay, client, server) = try await relayed()
            try await server.write("whole line\nhalf a l")
            #expect(try await client.readLine(style) == "whole line")
            await relay.cut()
            for _ in 0..<2 {
                let error = await tlsError { _ = try await client.readLine(style) }
                #expect(error?.code == .truncated)
                #expect(error?.message.hasPrefix("localhost ended the connection without close_notify") == true)
            }
            #expect(await tlsError { _ = try await client.readExactly(style, 100) }?.code == .truncated)
            #expect(try await client.read(style, atMost: 100) == Array("half a l".utf8))
            #expect(await tlsError { _ = try await client.read(style, atMost: 100) }?.code == .truncated)
            client.close()
            server.close()
        }
    }

    @Test(arguments: Style.allCases)
    func `a connection that is cut in the middle of a record is truncated`(style: Style) async throws {
        try await onHub {
            let (relay, client, server) = try await relayed()
            var budget = 100
            relay.toClient = { bytes in
                let piece = Array(bytes.prefix(budget))
                budget -= piece.count
                return [piece]
            }
            let reader = spawn { await tlsError { _ = try await client.readExactly(style, 10_000) } }
            try await server.write(style, [UInt8](repeating: 1, count: 10_000))
            try await sleep(for: .milliseconds(10))
            await relay.cut()
            #expect(try await reader.value?.code == .truncated)
            client.close()
            server.close()
        }
    }

    @Test func `a reset is an error of the system`() async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let context = try site.server()
            let accepting = spawn { try await TLSStream.accept(over: server, context: context) }
            let end = TLSClientEnd(TestTLS())
            try await handshake(end, over: client)
            let stream = try await accepting.value
            try await stream.write("unread")
            try await client.wait(for: .readable)
            // The kernel resets a connection that is closed with unread bytes.
            client.close()
            #expect(await tandemError { _ = try await stream.readLine() }?.errno == ECONNRESET)
            stream.close()
        }
    }

    // MARK: Invalid input

    @Test(arguments: Style.allCases)
    func `garbage and changed records are breaches of the protocol`(style: Style) async throws {
        try await onHub {
            for isGarbage in [true, false] {
                let (relay, client, server) = try await relayed()
                if isGarbage {
                    try await relay.clientEnd.write([UInt8](repeating: 0xAA, count: 1_000))
                } else {
                    relay.toClient = { bytes in [bytes.dropLast() + [bytes.last! ^ 1]] }
                    try await server.write(style, "hello\n")
                }
                for _ in 0..<2 {
                    let error = await tlsError { _ = try await client.readLine(style) }
                    #expect(error?.code == .protocolViolation)
                    #expect(error?.message.hasPrefix("localhost sent something that is not valid TLS: ") == true)
                }
                #expect(await tlsError { try await client.finishWriting(style) }?.code == .protocolViolation)
                // The server gets an alert.
                for _ in 0..<2 {
                    #expect(await tlsError { _ = try await server.readLine(style) }?.code == .refusedByPeer)
                }
                #expect(await tlsError { try await server.finishWriting(style) }?.code == .refusedByPeer)
                client.close()
                server.close()
                await relay.cut()
            }
        }
    }

    @Test func `records of 16 KB may arrive byte by byte`() async throws {
        try await onHub {
            let (relay, client, server) = try await relayed()
            relay.toClient = { bytes in bytes.map { [$0] } }
            let bytes = (0..<32_768).map { UInt8(truncatingIfNeeded: $0 * 7) }
            let writer = spawn {
                try await server.write(bytes)
                try await server.finishWriting()
            }
            #expect(try await client.readExactly(bytes.count) == bytes)
            #expect(try await client.readLine() == nil)
            try await writer.value
            client.close()
            server.close()
            await relay.cut()
        }
    }

    // MARK: Key updates

    private func handshake(_ end: TLSClientEnd, over stream: SocketStream) async throws {
        while true {
            let isOver = try end.advanceHandshake()
            try await stream.write(end.taken())
            if isOver { return }
            end.take(try #require(try await stream.read(atMost: 65_536)))
        }
    }

    /// Returns a server's stream, and its hostile client.
    private func hostileClient(_ options: TestTLS = TestTLS()) async throws -> (TLSStream, TCPStream, TLSClientEnd) {
        let (client, server) = try await tcpPair()
        let context = try site.server()
        let accepting = spawn { try await TLSStream.accept(over: server, context: context) }
        let end = TLSClientEnd(options)
        try await handshake(end, over: client)
        return (try await accepting.value, client, end)
    }

    @Test(arguments: Style.allCases)
    func `a client that updates its keys without end is disconnected, also after a half-close`(style: Style) async throws {
        try await onHub {
            for halfCloses in [false, true] {
                let (stream, client, end) = try await hostileClient()
                if halfCloses { try await stream.finishWriting(style) }
                for _ in 0..<5 { try await client.write(end.keyUpdate()) }
                try await client.write(end.seal(Array("fine\n".utf8)))
                #expect(try await stream.readLine(style) == "fine")
                for _ in 0..<40 { try await client.write(end.keyUpdate()) }
                let error = await tlsError { _ = try await stream.readLine(style) }
                #expect(error?.code == .protocolViolation)
                #expect(error?.message.contains("33 messages in a row without data") == true)
                client.close()
                stream.close()
            }
        }
    }

    @Test(arguments: Style.allCases)
    func `a server that updates its keys without end is disconnected`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let ours = try site.client()
            let connecting = spawn { try await TLSStream.connect(style, over: client, context: ours) }
            let end = TLSServerEnd()
            while !end.handshake(try #require(try await server.read(atMost: 65_536))) { try await server.write(end.taken()) }
            try await server.write(end.taken())
            let stream = try await connecting.value
            for _ in 0..<5 { try await server.write(end.keyUpdate()) }
            try await server.write(end.seal(Array("fine\n".utf8)))
            #expect(try await stream.readLine(style) == "fine")
            for _ in 0..<40 { try await server.write(end.keyUpdate()) }
            #expect(await tlsError { _ = try await stream.readLine(style) }?.code == .protocolViolation)
            server.close()
            stream.close()
        }
    }

    @Test(arguments: Style.allCases)
    func `key updates are answered while a write waits, and nothing is lost`(style: Style) async throws {
        try await onHub {
            let (stream, client, end) = try await hostileClient()
            let block = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 >> 3) }
            let sent = (0..<16).reduce(into: [UInt8]()) { bytes, _ in bytes += block }
            let writer = spawn {
                try await stream.write(style, sent)
                try await stream.finishWriting(style)
            }
            let reader = spawn { try await stream.readExactly(style, 20) }
            try await sleep(for: .milliseconds(20))
            // The socket takes nothing more from the writer while the reader's session has to answer.
            for number in 0..<20 { try await client.write(end.keyUpdate(asksForOne: true) + end.seal([UInt8(number)])) }
            #expect(try await reader.value == Array(0..<20))
            let received = Checksum()
            while !end.hasEnded, let bytes = try await client.read(atMost: 65_536) { received.add(try end.open(bytes)) }
            let expected = Checksum()
            expected.add(sent)
            #expect(received.count == sent.count)
            #expect(received.digest() == expected.digest())
            try await writer.value
            client.close()
            stream.close()
        }
    }

    /// Returns a server's stream with a reader, and its client, which has sent key updates that ask for one until the server read no
    /// more of them.
    private func stuckReader(_ style: Style) async throws -> (TLSStream, Task<Void, any Error>, UnixStream) {
        let (client, server) = try smallPair()
        let context = try site.server()
        let accepting = spawn { try await TLSStream.accept(style, over: server, context: context) }
        let end = TLSClientEnd(TestTLS())
        try await handshake(end, over: client)
        let stream = try await accepting.value
        nonisolated(unsafe) let flooding = end
        let flood = spawn {
            while true {
                var bytes: [UInt8] = []
                for _ in 0..<100 { bytes += try flooding.keyUpdate(asksForOne: true) + flooding.seal([1]) }
                try await client.write(bytes, deadline: .after(.milliseconds(300)))
            }
        }
        let reader = spawn {
            while try await stream.read(style, atMost: 10_000) != nil {}
        }
        // The server stops reading when the socket and its own limit are full, so the flood gets stuck.
        #expect(await tandemError { try await flood.value }?.code == .timedOut)
        return (stream, reader, client)
    }

    @Test(arguments: Style.allCases)
    func `a peer that asks for key updates and does not read makes the reader wait until it reads`(style: Style) async throws {
        try await onHub {
            let (stream, reader, client) = try await stuckReader(style)
            let turns = Hub.current!.statistics.turns
            try await sleep(for: .milliseconds(50))
            #expect(Hub.current!.statistics.turns - turns < 5)
            try await client.finishWriting()
            var answers = 0
            while answers <= 65_536 { answers += try #require(try await client.read(atMost: 65_536)).count }
            let draining = spawn { while try await client.read(atMost: 65_536) != nil {} }
            // The last record of the flood is incomplete.
            #expect(await tlsError { try await reader.value }?.code == .truncated)
            stream.close()
            try await draining.value
            client.close()
        }
    }

    @Test(arguments: Style.allCases)
    func `a peer that asks for key updates and goes away ends the reader's wait`(style: Style) async throws {
        try await onHub {
            let (stream, reader, client) = try await stuckReader(style)
            client.close()
            #expect(await failure { try await reader.value } is TandemError)
            stream.close()
        }
    }

    @Test(arguments: Style.allCases)
    func `a write waits for the second half of a KeyUpdate, beside a reader`(style: Style) async throws {
        try await onHub {
            let (stream, client, end) = try await hostileClient(
                TestTLS(versions: TLS1_3_VERSION...TLS1_3_VERSION, cipherSuites: RecordSealer.suite))
            var sealer = RecordSealer(secret: try #require(end.applicationSecret))
            let keyUpdate: [UInt8] = [24, 0, 0, 1, 0]
            try await client.write(sealer.seal("go\n".utf8) + sealer.seal(keyUpdate.prefix(4), as: .handshake))
            #expect(try await stream.readLine(style) == "go")
            let reader = spawn { try await stream.readLine(style) }
            try await sleep(for: .milliseconds(10))
            let writer = spawn { try await stream.write(style, "answer\n") }
            try await sleep(for: .milliseconds(10))
            let turns = Hub.current!.statistics.turns
            try await sleep(for: .milliseconds(50))
            #expect(Hub.current!.statistics.turns - turns < 20)
            try await client.write(sealer.seal(keyUpdate.suffix(1), as: .handshake))
            sealer.updateKeys()
            try await writer.value
            try await client.write(sealer.seal("more\n".utf8))
            #expect(try await reader.value == "more")
            #expect(try end.open(try #require(try await client.read(atMost: 1_000))) == Array("answer\n".utf8))

            // So does the end of what this side sends.
            try await client.write(sealer.seal("end\n".utf8) + sealer.seal(keyUpdate.prefix(4), as: .handshake))
            #expect(try await stream.readLine(style) == "end")
            let closer = spawn { try await stream.finishWriting(style) }
            let other = spawn { try await stream.readLine(style) }
            try await sleep(for: .milliseconds(20))
            try await client.write(sealer.seal(keyUpdate.suffix(1), as: .handshake))
            sealer.updateKeys()
            try await closer.value
            _ = try end.open(try #require(try await client.read(atMost: 1_000)))
            #expect(end.hasEnded)
            try await client.write(sealer.seal("last\n".utf8))
            #expect(try await other.value == "last")
            stream.close()
            client.close()
        }
    }

    // MARK: Many

    @Test func `100 failed handshakes leave nothing behind`() async throws {
        try await onHub {
            let context = try site.server()
            let before = openDescriptors()
            for number in 0..<100 {
                let (client, server) = try await tcpPair()
                let accepting = spawn { await failure { _ = try await TLSStream.accept(over: server, context: context) } }
                try await sleep(for: .zero)
                if number % 3 > 0 { try await client.write([UInt8](repeating: UInt8(number), count: number)) }
                if number % 2 == 0 { client.close() } else { accepting.cancel() }
                #expect(try await accepting.value != nil)
                client.close()
            }
            #expect(openDescriptors() == before)
        }
    }
}

/// The number of open file descriptors among the first 4096.
private func openDescriptors() -> Int { (0..<4096).count { fcntl($0, F_GETFD) != -1 } }
