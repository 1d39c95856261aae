internal import AllocationCount
import HTTPWire
import Testing

struct RequestHeadParserTests {
    @Test func `pipelined requests are parsed in order, however they are cut`() {
        let texts = [
            request(), "\r\n" + request("X: 1", line: "POST /b HTTP/1.1"), request(line: "GET /c HTTP/1.0", host: false),
        ]
        let parsed = parse(texts.joined())
        #expect(parsed.error == nil)
        #expect(parsed.heads.map(\.byteCount) == texts.map(\.utf8.count))
        #expect(parsed.heads.map { $0.line[1] } == ["/", "/b", "/c"])
        #expect(parsed.heads.map { $0.flags[0] } == [true, true, false])
    }

    @Test func `a request leaves no state to the next one`() {
        let texts = [
            request("Content-Length: 0", "Connection: close", "Expect: 100-continue", line: "POST /?a HTTP/1.1"), request(),
            request("Transfer-Encoding: chunked"), request(),
        ]
        let heads = parse(texts.joined()).heads
        #expect(heads.map(\.framing) == [.length(0), .none, .chunked, .none])
        #expect(heads.map(\.flags) == [[false, true], [true, false], [true, false], [true, false]])
        #expect(heads.map { $0.line[3] } == ["a", nil, nil, nil])
    }

    @Test func `an incomplete head returns nil until the rest has arrived`() throws {
        var parser = RequestHeadParser()
        let bytes = Array(request("X: 1").utf8)
        for count in 0..<bytes.count {
            let arrived = bytes[..<count]
            let head = try parser.parse(arrived.span.bytes)
            #expect(head?.byteCount == nil)
        }
        let head = try parser.parse(bytes.span.bytes)
        #expect(head?.byteCount == bytes.count)
    }

    @Test func `a request has started once the first byte of its request line has arrived`() throws {
        var parser = RequestHeadParser()
        func started(after text: String) throws -> Bool {
            let bytes = Array(text.utf8)
            _ = try parser.parse(bytes.span.bytes)
            return parser.hasStarted
        }
        #expect(!parser.hasStarted)
        #expect(try !started(after: ""))
        #expect(try !started(after: "\r"))
        #expect(try !started(after: "\r\n"))
        #expect(try started(after: "\r\nG"))
        #expect(try started(after: "\r\n" + request().dropLast()))
        #expect(try !started(after: "\r\n" + request()))
        #expect(try started(after: "G"))
    }

    @Test func `fields beyond the inline table are kept in order`() {
        let lines = (1...99).map { "X-\($0): \($0)" }
        let text = "GET / HTTP/1.1\r\nHost: a\r\n" + lines.joined(separator: "\r\n") + "\r\n\r\n"
        let whole = Parsed(Array((text + text).utf8), ends: [text.utf8.count * 2])
        #expect(whole.heads.count == 2)
        for head in whole.heads { #expect(head.fields == ["Host=a"] + (1...99).map { "X-\($0)=\($0)" }) }
        #expect(Parsed(Array((text + text).utf8), ends: 0...(text.utf8.count * 2)) == whole)
    }

    /// The address of a head's bytes, which shows whether two heads share memory.
    private func address(_ head: RequestHead) -> UInt {
        head.withBytes { $0.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) } }
    }

    @Test(arguments: ClientHead.all)
    func `a head in reused memory equals one in new memory`(client: ClientHead) throws {
        let bytes = Array(client.text.utf8)
        var parser = RequestHeadParser()
        for other in ClientHead.all {
            let used = Array(other.text.utf8)
            var spare = try parser.parse(used.span.bytes)
            let head = try #require(try parser.parse(bytes.span.bytes, reusing: &spare))
            #expect(HeadSnapshot(head) == Parsed(bytes, ends: 0...bytes.count).heads.first)
            #expect(spare == nil)
        }
    }

    @Test func `an unreferenced head passes its memory to the next one`() throws {
        let long = Array(request("X: 0123456789").utf8)
        let short = Array(request("X: 1").utf8)
        let percent = Array(request(line: "OPTIONS * HTTP/1.1").utf8)
        var parser = RequestHeadParser()
        var spare = try parser.parse(long.span.bytes)
        let first = address(try #require(spare))
        for bytes in [short, percent, long] {
            spare = try parser.parse(bytes.span.bytes, reusing: &spare)
            #expect(address(try #require(spare)) == first)
        }
    }

    @Test func `a referenced head keeps its memory`() throws {
        let bytes = Array(request("X: 1", line: "GET /a HTTP/1.1").utf8)
        let others = Array(request("X: 2", line: "GET /b HTTP/1.1").utf8)
        var parser = RequestHeadParser()
        let held = try #require(try parser.parse(bytes.span.bytes))
        var spare: RequestHead? = held
        let head = try #require(try parser.parse(others.span.bytes, reusing: &spare))
        #expect(held.path == "/a")
        #expect(head.path == "/b")
        #expect(HeadSnapshot(held).fields == ["Host=a", "X=1"])
    }

    @Test func `memory that is too small is replaced`() throws {
        let small = Array(request().utf8)
        let large = Array(request("X: " + String(repeating: "a", count: 2_000)).utf8)
        var parser = RequestHeadParser()
        var spare = try parser.parse(small.span.bytes)
        let head = try #require(try parser.parse(large.span.bytes, reusing: &spare))
        #expect(HeadSnapshot(head) == Parsed(large, ends: [large.count]).heads.first)
    }

    @Test func `an incomplete head leaves the spare memory for the call that completes it`() throws {
        let bytes = Array(request("X: 1").utf8)
        var parser = RequestHeadParser()
        var spare = try parser.parse(bytes.span.bytes)
        let first = address(try #require(spare))
        let arrived = bytes[..<10]
        #expect(try parser.parse(arrived.span.bytes, reusing: &spare) == nil)
        #expect(address(try #require(try parser.parse(bytes.span.bytes, reusing: &spare))) == first)
    }

    @Test(.enabled(if: FastPaths.isEnabled && allocations_are_counted()))
    func `parsing a usual head into reused memory allocates nothing`() throws {
        let bytes = Array(ClientHead.all[0].text.utf8)
        var parser = RequestHeadParser()
        var spare = try parser.parse(bytes.span.bytes)
        spare = try parser.parse(bytes.span.bytes, reusing: &spare)
        let before = allocations_of_this_thread()
        for _ in 0..<100 { spare = try parser.parse(bytes.span.bytes, reusing: &spare) }
        #expect(allocations_of_this_thread() - before < 100)
    }

    @Test func `a parser between heads has a size of two words`() {
        #expect(MemoryLayout<RequestHeadParser>.size == 16)
    }

    @Test(arguments: [
        "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
    ])
    func `every call after an error throws the same error and accepts no further request`(input: String) throws {
        var parser = RequestHeadParser()
        let bytes = Array((input + "GET / HTTP/1.1\r\nHost: a\r\n\r\n").utf8)
        func error(from start: Int) -> HTTPParseError? {
            let slice = bytes[start...]
            do throws(HTTPParseError) {
                _ = try parser.parse(slice.span.bytes)
                return nil
            } catch {
                return error
            }
        }
        let first = try #require(error(from: 0))
        for start in bytes.indices { #expect(error(from: start) == first) }
    }
}
