internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(2)))
struct ByteStreamTests {
    // MARK: Bytes

    @Test(arguments: Caller.cancellable)
    func `bytes are read in pieces, and then the end`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            try await a.write(caller, "hello, world")
            #expect(try await b.read(caller, atMost: 5) == Array("hello".utf8))
            #expect(try await b.readMemory(caller) == ", world")
            try await a.writeMemory(caller, Array("again".utf8))
            #expect(try await b.readMemory(caller) == "again")
            a.close()
            #expect(try await b.readMemory(caller) == "")
            #expect(try await b.read(caller, atMost: 5) == nil)
            #expect(try await b.readLine(caller) == nil)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a read waits for the first byte`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            let reader = spawn { try await b.read(caller, atMost: 100) }
            try await turnUntilParked(1)
            try await a.write("x")
            #expect(try await reader.value == [UInt8(ascii: "x")])
        }
    }

    @Test(arguments: Caller.cancellable)
    func `ten megabytes cross a TCP connection both ways at once`(caller: Caller) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let echo = spawn {
                while let bytes = try await server.read(caller, atMost: 65_536) { try await server.write(caller, bytes: bytes) }
                try await server.finishWriting(caller)
            }
            var random = SeededGenerator(seed: 3)
            let block = (0..<65_536).map { _ in UInt8.random(in: 0...255, using: &random) }
            let sent = (0..<160).reduce(into: [UInt8]()) { bytes, _ in bytes += block }
            let writer = spawn {
                try await client.write(caller, bytes: sent)
                try await client.finishWriting(caller)
            }
            #expect(try await client.readExactly(caller, sent.count) == sent)
            #expect(try await client.read(caller, atMost: 1) == nil)
            try await writer.value
            try await echo.value
        }
    }

    @Test func `a reader of a fast peer lets other tasks run`() async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let writer = spawn { try await client.write([UInt8](repeating: 1, count: 20 << 20)) }
            let turns = Counter()
            let other = spawn {
                while !Task.isCancelled {
                    turns.add()
                    try await sleep(for: .zero)
                }
            }
            _ = try await server.readExactly(20 << 20)
            #expect(turns.value >= 10)
            other.cancel()
            _ = await other.result
            try await writer.value
        }
    }

    // MARK: Lines

    @Test(arguments: Caller.cancellable)
    func `lines end with LF or CRLF, and the last one with the stream`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            try await a.write("one\ntwo\r\n\n\r\nthree\rmore\n\r\r\nlast\r")
            a.close()
            var lines: [String] = []
            while let line = try await b.readLine(caller) { lines.append(line) }
            #expect(lines == ["one", "two", "", "", "three\rmore", "\r", "last\r"])
        }
    }

    @Test(arguments: Caller.cancellable)
    func `lines are put together from pieces of any size`(caller: Caller) async throws {
        try await onHub {
            var random = SeededGenerator(seed: 5)
            let lines = (0..<300).map { String(repeating: "line \($0) ", count: Int.random(in: 0...200, using: &random)) }
            let bytes = Array(lines.map { $0 + ($0.utf8.count.isMultiple(of: 2) ? "\n" : "\r\n") }.joined().utf8)
            let cuts = (0..<900).map { _ in Int.random(in: 0...bytes.count, using: &random) }.sorted() + [bytes.count]
            let (a, b) = try streamPair()
            let writer = spawn {
                var start = 0
                for cut in cuts {
                    try await a.write(Array(bytes[start..<cut]))
                    start = cut
                    if cut.isMultiple(of: 3) { try await sleep(for: .zero) }
                }
                try await a.finishWriting()
            }
            var received: [String] = []
            while let line = try await b.readLine(caller) { received.append(line) }
            #expect(received == lines)
            try await writer.value
        }
    }

    @Test func `a CR and an LF that arrive apart end one line`() async throws {
        try await onHub {
            let (a, b) = try streamPair()
            let reader = spawn { [try await b.readLine(), try await b.readLine()] }
            try await a.write("one\r")
            try await turnUntilParked(1)
            try await a.write("\ntwo\n")
            #expect(try await reader.value == ["one", "two"])
        }
    }

    @Test func `invalid UTF-8 is replaced in lines`() async throws {
        try await onHub {
            let (a, b) = try streamPair()
            try await a.write([0x61, 0xFF, 0x62, 0x0A])
            #expect(try await b.readLine() == "a\u{FFFD}b")
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a line may be as long as the limit, and no longer`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            try await a.write("12345\n12345\r\n123456\n")
            #expect(try await b.readLine(caller, limit: 5) == "12345")
            #expect(try await b.readLine(caller, limit: 5) == "12345")
            let error = await tandemError { _ = try await b.readLine(caller, limit: 5) }
            #expect(error?.code == .lineTooLong)
            #expect(error?.message.contains("longer than 5 bytes") == true)
            #expect(try await b.readLine(caller, limit: 6) == "123456")

            try await a.write("12345\r6\n\n")
            #expect(await tandemError { _ = try await b.readLine(caller, limit: 5) }?.code == .lineTooLong)
            #expect(try await b.readLine(caller) == "12345\r6")
            #expect(try await b.readLine(caller, limit: 0) == "")
            try await a.write("12345\r")
            try await a.finishWriting()
            #expect(await tandemError { _ = try await b.readLine(caller, limit: 5) }?.code == .lineTooLong)
            #expect(try await b.readLine(caller, limit: .max) == "12345\r")
        }
    }

    @Test(arguments: [0, 10, 1_000, 20_000])
    func `a line without an end takes no more memory than its limit allows`(limit: Int) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let writer = spawn { try await client.write([UInt8](repeating: 0x61, count: 16 << 20)) }
            #expect(await tandemError { _ = try await server.readLine(limit: limit) }?.code == .lineTooLong)
            #expect(server.buffer.count <= 2 * limit + 4_096)
            server.close()
            #expect(await writer.result.failure is TandemError)
        }
    }

    // MARK: Exact counts

    @Test(arguments: Caller.cancellable)
    func `exact counts are read across pieces`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            let reader = spawn { [try await b.readExactly(caller, 3), try await b.readExactly(caller, 5)] }
            for piece in ["a", "bcd", "ef", "gh"] {
                try await a.write(piece)
                try await sleep(for: .zero)
            }
            #expect(try await reader.value == [Array("abc".utf8), Array("defgh".utf8)])
            #expect(try await b.readExactly(caller, 0) == [])
        }
    }

    @Test(arguments: Caller.cancellable)
    func `an early end is an error, and the bytes before it can still be read`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            try await a.write("abc")
            a.close()
            let error = await tandemError { _ = try await b.readExactly(caller, 5) }
            #expect(error?.code == .endedEarly)
            #expect(error?.message == "the stream ended after 3 of 5 bytes")
            #expect(try await b.read(caller, atMost: 10) == Array("abc".utf8))
            #expect(try await b.read(caller, atMost: 10) == nil)
        }
    }

    @Test func `a stream gives memory back when its bytes were read`() async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let writer = spawn { try await client.write([UInt8](repeating: 1, count: 1 << 20)) }
            _ = try await server.readExactly(1 << 20)
            try await writer.value
            #expect(server.buffer.count == 0)
            #expect(server.buffer.capacity <= 16_384)
            let reader = spawn { try await server.readLine() }
            try await turnUntilParked(1)
            #expect(server.buffer.capacity == 0)
            client.close()
            #expect(try await reader.value == nil)
        }
    }

    // MARK: Ending

    @Test(arguments: Caller.cancellable)
    func `after half-closing, the other direction goes on`(caller: Caller) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            try await client.write(caller, "question")
            try await client.finishWriting(caller)
            #expect(try await server.readMemory(caller) == "question")
            #expect(try await server.readMemory(caller) == "")
            try await server.write(caller, "answer\n")
            #expect(try await client.readLine(caller) == "answer")
            let error = await tandemError { try await client.write(caller, "more") }
            #expect(error?.code == .systemCall)
            #expect(error?.errno == EPIPE)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `close wakes the reader and the writer, and later calls throw`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair(bufferSize: 4_096)
            let reader = spawn { try await a.readLine(caller) }
            let writer = spawn { try await a.write(caller, bytes: [UInt8](repeating: 1, count: 1 << 20)) }
            try await turnUntilParked(2)
            #expect(!a.isClosed)
            a.close()
            #expect(a.isClosed)
            for error in [await reader.result.failure, await writer.result.failure] {
                #expect((error as? TandemError)?.code == .closed)
            }
            #expect(await tandemError { _ = try await a.read(caller, atMost: 1) }?.code == .closed)
            #expect(await tandemError { try await a.write(caller, "x") }?.code == .closed)
            #expect(await tandemError { try await a.finishWriting(caller) }?.code == .closed)
            #expect(await tandemError { try await a.wait(caller, for: .readable) }?.code == .closed)
            a.close()
            b.close()
        }
    }

    // MARK: Nothing is lost

    @Test(arguments: Caller.cancellable)
    func `a cancelled read leaves what has arrived`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            try await a.write("half a li")
            let line = spawn { try await b.readLine(caller) }
            try await turnUntilParked(1)
            line.cancel()
            #expect(await line.result.failure is CancellationError)
            let exact = spawn { try await b.readExactly(caller, 100) }
            try await turnUntilParked(1)
            exact.cancel()
            #expect(await exact.result.failure is CancellationError)
            try await a.write("ne\n")
            #expect(try await b.readLine(caller) == "half a line")
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a read that times out leaves what has arrived`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            try await a.write("half a li")
            for _ in 0..<3 {
                let error = await tandemError { _ = try await b.readLine(caller, deadline: .after(.milliseconds(2))) }
                #expect(error?.code == .timedOut)
            }
            let error = await tandemError { _ = try await b.readExactly(caller, 20, deadline: .after(.milliseconds(2))) }
            #expect(error?.code == .timedOut)
            try await a.write("ne\n")
            #expect(try await b.readLine(caller) == "half a line")
            #expect(await tandemError { _ = try await b.read(caller, atMost: 1, deadline: .after(.zero)) }?.code == .timedOut)
            #expect(await tandemError { _ = try await b.readMemory(caller, deadline: .after(.zero)) }?.code == .timedOut)
        }
    }

    @Test(arguments: Caller.cancellable)
    func `lines stay complete and in order while their readers are cancelled`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair()
            let writer = spawn {
                for number in 0..<500 {
                    try await a.write("\(number)")
                    for _ in 0..<(number % 5) { try await sleep(for: .zero) }
                    try await a.write("\n")
                }
                try await a.finishWriting()
            }
            var numbers: [String] = []
            var cancelled = 0
            loop: while true {
                let reader = spawn { try await b.readLine(caller) }
                try await sleep(for: .zero)
                reader.cancel()
                switch await reader.result {
                case .success(let line?): numbers.append(line)
                case .success(nil): break loop
                case .failure: cancelled += 1
                }
            }
            #expect(numbers == (0..<500).map(String.init))
            #expect(cancelled > 0)
            try await writer.value
        }
    }

    @Test(arguments: Caller.cancellable)
    func `a write that no reader takes times out, or is cancelled`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair(bufferSize: 4_096)
            let much = [UInt8](repeating: 1, count: 1 << 20)
            let error = await tandemError { try await a.write(caller, bytes: much, deadline: .after(.milliseconds(5))) }
            #expect(error?.code == .timedOut)
            let writer = spawn { try await a.writeMemory(caller, much) }
            try await turnUntilParked(1)
            writer.cancel()
            #expect(await writer.result.failure is CancellationError)
            b.close()
            #expect(await tandemError { try await a.write(caller, "x") }?.errno == EPIPE)
        }
    }

    // MARK: Misuse

    @Test(arguments: Caller.cancellable)
    func `a second reader and a second writer are refused`(caller: Caller) async throws {
        try await onHub {
            let (a, b) = try streamPair(bufferSize: 4_096)
            let reader = spawn { try await a.readLine(caller) }
            let writer = spawn { try await a.write(caller, bytes: [UInt8](repeating: 1, count: 1 << 20)) }
            try await turnUntilParked(2)
            let second = await tandemError { _ = try await a.read(caller, atMost: 1) }
            #expect(second?.code == .descriptorBusy)
            #expect(second?.message.contains("another call already reads from this stream") == true)
            #expect(await tandemError { try await a.write(caller, "x") }?.code == .descriptorBusy)
            #expect(await tandemError { try await a.finishWriting(caller) }?.code == .descriptorBusy)
            try await b.write("line\n")
            #expect(try await reader.value == "line")
            _ = try await b.readExactly(1 << 20)
            try await writer.value
            try await a.write("x")
            #expect(try await b.read(atMost: 10) == [UInt8(ascii: "x")])
        }
    }

    @Test(arguments: Caller.cancellable)
    func `sizes that make no sense are refused`(caller: Caller) async throws {
        try await onHub {
            let (a, _b) = try streamPair()
            defer { _b.close() }
            #expect(await tandemError { _ = try await a.read(caller, atMost: 0) }?.code == .invalidArgument)
            #expect(await tandemError { _ = try await a.readExactly(caller, -1) }?.code == .invalidArgument)
            #expect(await tandemError { _ = try await a.readLine(caller, limit: -1) }?.code == .invalidArgument)
            let none = UnsafeMutableRawBufferPointer(start: nil, count: 0)
            #expect(await tandemError { _ = try await a.read(into: none) }?.code == .invalidArgument)
        }
    }

    @Test func `a blocking call directly in async code throws`() async throws {
        try await onHub {
            let (a, _b) = try streamPair()
            defer { _b.close() }
            let calls: [() throws -> Void] = [
                { _ = try a.read(atMost: 1) }, { _ = try a.readLine() }, { _ = try a.readExactly(1) }, { try a.write("x") },
                { try a.finishWriting() }, { try a.wait(for: .readable) },
                { _ = try TCPStream.connect(host: "127.0.0.1", port: 1) },
                { _ = try TCPStream.connect(to: SocketEndpoint("127.0.0.1:1")!) },
                { _ = try UnixStream.connect(path: "/nowhere") },
            ]
            for call in calls {
                let error = #expect(throws: TandemError.self) { try synchronously(call) }
                #expect(error?.code == .notOnGreenThread)
                #expect(error?.message.contains("ByteStreamTests.swift:") == true)
            }
        }
    }
}

extension Result {
    /// The error; nil if there is none.
    var failure: Failure? {
        if case .failure(let error) = self { error } else { nil }
    }
}
