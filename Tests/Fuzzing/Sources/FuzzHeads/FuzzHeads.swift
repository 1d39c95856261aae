import FuzzSupport
import HTTPTypes
import HTTPWire

/// Feeds one input to the parser's fast path and to its strict path, which must agree on everything.
///
/// The first four bytes set the limits, the rest is the client's input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 4 else { return 0 }
    let limits = limits(UnsafeBufferPointer(start: start, count: 4))
    let stream = Array(UnsafeBufferPointer(start: start + 4, count: count - 4))
    let strict = Run(stream, ends: [stream.count], limits: limits, isStrict: true)
    let fast = Run(stream, ends: [stream.count], limits: limits, isStrict: false)
    var cuts = Cuts(of: stream)
    let pieces = Run(stream, ends: cuts.ends(stream.count), limits: limits, isStrict: false)
    compare(fast, strict)
    compare(pieces, strict)
    return 0
}

/// 255 stands for the default. Other values are about the size of an input.
private func limits(_ bytes: UnsafeBufferPointer<UInt8>) -> HTTPWireLimits {
    func limit(_ byte: UInt8, default usual: Int) -> Int { byte == 255 ? usual : Int(byte) * 2 }
    return HTTPWireLimits(
        requestLine: limit(bytes[0], default: 8_192), fieldLine: limit(bytes[1], default: 8_192),
        fieldCount: bytes[2] == 255 ? 100 : Int(bytes[2] % 24), headBytes: limit(bytes[3], default: 32_768))
}

/// The heads at the start of a stream, up to an error, a body or the end.
private struct Run {
    var heads: [RequestHead] = []
    var error: HTTPParseError.Code?
    var isHead = false
    var hasStarted = false

    /// Parses `stream`, of which at each step the first `ends` have arrived.
    ///
    /// A parser that has seen an incomplete head scans it strictly to its end, so the first byte alone makes it strict.
    init(_ stream: [UInt8], ends: [Int], limits: HTTPWireLimits, isStrict: Bool) {
        var parser = RequestHeadParser(limits: limits)
        var position = 0
        var spare: RequestHead?
        do throws(HTTPParseError) {
            for end in ends {
                while position < end {
                    if isStrict {
                        let first = [stream[position]]
                        require(try parser.parse(first.span.bytes) == nil, "one byte was taken for a head")
                    }
                    // Copied, so that the address sanitizer detects reads beyond the arrived bytes.
                    let arrived = Array(stream[position..<end])
                    guard let head = try parser.parse(arrived.span.bytes, reusing: &spare) else { break }
                    require(spare == nil && head.byteCount > 0 && head.byteCount <= arrived.count, "the size is wrong")
                    position += head.byteCount
                    heads.append(head)
                    // Returns the memory of two of every four heads: one that is unreferenced, and one that is still referenced.
                    if !isStrict, heads.count % 4 == 1 { spare = copy(of: head, limits) }
                    if !isStrict, heads.count % 4 == 2 { spare = head }
                }
            }
        } catch {
            self.error = error.code
        }
        isHead = parser.isHead
        hasStarted = parser.hasStarted
    }
}

/// The same head in separate memory.
private func copy(of head: RequestHead, _ limits: HTTPWireLimits) -> RequestHead? {
    var parser = RequestHeadParser(limits: limits)
    return head.withBytes { try? parser.parse($0.bytes) }
}

private func compare(_ run: Run, _ strict: Run) {
    require(run.heads.count == strict.heads.count, "\(run.heads.count) heads, strictly \(strict.heads.count)")
    require(run.error == strict.error, "\(run.error as Any), strictly \(strict.error as Any)")
    require(run.isHead == strict.isHead && run.hasStarted == strict.hasStarted, "the state differs")
    for (head, other) in zip(run.heads, strict.heads) {
        require(bytes(head) == bytes(other) && head.byteCount == other.byteCount, "the bytes differ")
        require(head.method == other.method && head.version == other.version, "the request line differs")
        require(head.target == other.target && head.targetForm == other.targetForm, "the target differs")
        require(head.path == other.path && head.query == other.query, "the path or query differs")
        require(head.withPathBytes { $0.count } == head.path.utf8.count, "the bytes of the path differ")
        require(head.authority == other.authority, "the authority differs")
        require(head.framing == other.framing && head.contentLength == other.contentLength, "the framing differs")
        require(head.keepAlive == other.keepAlive, "keep-alive differs")
        require(head.asksForKeepAlive == other.asksForKeepAlive, "the wish for keep-alive differs")
        require(head.expectsContinue == other.expectsContinue, "the expectation differs")
        require(head.fieldCount == other.fieldCount && head.fields == other.fields, "the fields differ")
        require(head.request == other.request, "the request differs")
    }
}

private func bytes(_ head: RequestHead) -> [UInt8] {
    head.withBytes { bytes in bytes.indices.map { bytes[$0] } }
}
