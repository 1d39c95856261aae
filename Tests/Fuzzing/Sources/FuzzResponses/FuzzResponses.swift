import FuzzSupport
import HTTPTypes
import HTTPWire

/// Feeds one input to the response parser and the body decoder. The fast path and the strict path must agree,
/// the result must not depend on how the bytes are cut, and accepted responses must be well-formed.
///
/// The first four bytes set the limits, the fifth tells which requests are HEAD, the rest is the server's output.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 5 else { return 0 }
    let limits = limits(UnsafeBufferPointer(start: start, count: 4))
    let stream = Array(UnsafeBufferPointer(start: start + 5, count: count - 5))
    func run(_ ends: [Int], isStrict: Bool = false) -> Run {
        Run(stream, ends: ends, headRequests: start[4], limits: limits, isStrict: isStrict)
    }
    let strict = run([stream.count], isStrict: true)
    var cuts = Cuts(of: stream)
    compare(run([stream.count]), strict)
    compare(run(cuts.ends(stream.count)), strict)
    if stream.count <= 512 { compare(run(Array(0...stream.count)), strict) }
    for exchange in strict.exchanges {
        checkHead(exchange.head, Array(stream[exchange.start..<exchange.start + exchange.head.byteCount]))
        checkRoundTrip(exchange.head)
    }
    return 0
}

/// 255 stands for the default. Other values are about the size of an input.
private func limits(_ bytes: UnsafeBufferPointer<UInt8>) -> HTTPWireLimits {
    func limit(_ byte: UInt8, default usual: Int) -> Int { byte == 255 ? usual : Int(byte) * 2 }
    return HTTPWireLimits(
        requestLine: limit(bytes[0], default: 8_192), fieldLine: limit(bytes[1], default: 8_192),
        fieldCount: bytes[2] == 255 ? 100 : Int(bytes[2] % 40), headBytes: limit(bytes[3], default: 32_768),
        chunkExtensionBytes: limit(bytes[1], default: 1_024), bodyExtensionBytes: limit(bytes[0], default: 16_384),
        trailerBytes: limit(bytes[3], default: 8_192))
}

/// One response, as far as it arrived.
private struct Exchange {
    var start: Int
    var head: ResponseHead
    var toHead: Bool
    var content: [UInt8] = []
    var trailers: HTTPFields = [:]
    var isComplete = false
}

/// The responses of a stream, up to an error or the end.
private struct Run {
    var exchanges: [Exchange] = []
    var error: HTTPParseError?
    var hasStarted = false
    var consumed = 0

    /// Parses `stream`, of which at each step the first `ends` have arrived.
    ///
    /// A parser that has seen an incomplete head scans it strictly to its end, so the first byte alone makes it strict.
    init(_ stream: [UInt8], ends: [Int], headRequests: UInt8, limits: HTTPWireLimits, isStrict: Bool) {
        var parser = ResponseHeadParser(limits: limits)
        var decoder: BodyDecoder?
        var spare: ResponseHead?
        do throws(HTTPParseError) {
            for end in ends {
                while consumed < end || decoder != nil {
                    // Copied, so that the address sanitizer detects reads beyond the arrived bytes.
                    let arrived = Array(stream[consumed..<end])
                    if decoder != nil {
                        let step = try decoder!.decode(arrived.span.bytes)
                        consumed += step.consumed
                        if case .data(let range) = step.outcome { exchanges[exchanges.count - 1].content += arrived[range] }
                        if step.outcome == .needMore { break }
                        guard step.outcome == .end else { continue }
                        require(decoder!.isComplete, "a body has ended and is not complete")
                        exchanges[exchanges.count - 1].trailers = decoder!.trailers
                        exchanges[exchanges.count - 1].isComplete = true
                        decoder = nil
                    } else {
                        if isStrict {
                            let first = [stream[consumed]]
                            require(try parser.parse(first.span.bytes) == nil, "one byte was taken for a head")
                        }
                        guard let head = try parser.parse(arrived.span.bytes, reusing: &spare) else { break }
                        require(spare == nil && head.byteCount > 0 && head.byteCount <= arrived.count, "the size is wrong")
                        let toHead = headRequests >> (exchanges.count % 8) & 1 == 1
                        exchanges.append(Exchange(start: consumed, head: head, toHead: toHead))
                        consumed += head.byteCount
                        decoder = BodyDecoder(framing: head.framing(toHead: toHead), limits: limits)
                        // Returns the memory of two of every four heads: one that is unreferenced, and one that is referenced.
                        if !isStrict, exchanges.count % 4 == 1 { spare = copy(of: head) }
                        if !isStrict, exchanges.count % 4 == 2 { spare = head }
                    }
                }
            }
        } catch {
            self.error = error
            require(error.message == .response, "an error about a request")
            let again = Self.error(in: stream[consumed...], &parser, &decoder)
            require(again == error, "after \(error) another error or none: \(again as Any)")
            // The number of bytes consumed before an error depends on how they were cut.
            consumed = 0
        }
        hasStarted = parser.hasStarted
    }

    private static func error(
        in rest: ArraySlice<UInt8>, _ parser: inout ResponseHeadParser, _ decoder: inout BodyDecoder?
    ) -> HTTPParseError? {
        do throws(HTTPParseError) {
            if decoder != nil { _ = try decoder!.decode(rest.span.bytes) } else { _ = try parser.parse(rest.span.bytes) }
            return nil
        } catch {
            return error
        }
    }
}

private func compare(_ run: Run, _ strict: Run) {
    require(run.exchanges.count == strict.exchanges.count, "\(run.exchanges.count) heads, strictly \(strict.exchanges.count)")
    require(run.error == strict.error, "\(run.error as Any), strictly \(strict.error as Any)")
    require(run.consumed == strict.consumed && run.hasStarted == strict.hasStarted, "the state differs")
    for (exchange, other) in zip(run.exchanges, strict.exchanges) {
        require(isSame(exchange.head, other.head) && exchange.start == other.start, "the heads differ")
        require(exchange.head.byteCount == other.head.byteCount, "the sizes differ")
        require(exchange.content == other.content && exchange.trailers == other.trailers, "the bodies differ")
        require(exchange.isComplete == other.isComplete, "only one body is complete")
    }
}

/// Whether two heads have the same meaning, whatever their bytes.
private func isSame(_ head: ResponseHead, _ other: ResponseHead) -> Bool {
    head.status == other.status && head.reason == other.reason && head.version == other.version
        && head.fieldCount == other.fieldCount && head.fields == other.fields && head.contentLength == other.contentLength
        && [false, true].allSatisfy { toHead in
            head.framing(toHead: toHead) == other.framing(toHead: toHead)
                && head.keepsAlive(toHead: toHead) == other.keepsAlive(toHead: toHead)
        }
        && head.hasContentEncoding == other.hasContentEncoding && head.hasLocation == other.hasLocation
        && head.hasRetryAfter == other.hasRetryAfter
}

/// The same head in separate memory, for a head without folded lines.
private func copy(of head: ResponseHead) -> ResponseHead? {
    var parser = ResponseHeadParser(limits: large)
    return try? parser.parse(written(head).span.bytes)
}

private let large = HTTPWireLimits(requestLine: 65_535, fieldLine: 65_535, fieldCount: 65_535, headBytes: 65_535)

/// The head written again from its parts.
private func written(_ head: ResponseHead) -> [UInt8] {
    var bytes = Array("\(head.version) \(head.status) \(head.reason)\r\n".utf8)
    for field in head.fields {
        bytes += Array("\(field.name.rawName): ".utf8)
        field.withUnsafeBytesOfValue { bytes += Array($0) }
        bytes += Array("\r\n".utf8)
    }
    return bytes + Array("\r\n".utf8)
}

private func checkRoundTrip(_ head: ResponseHead) {
    guard let again = copy(of: head) else { fatalError("written again, it is refused") }
    require(isSame(again, head), "written again, it is not the same")
}

/// Checks what holds for each accepted head, independently of the parser.
private func checkHead(_ head: ResponseHead, _ bytes: [UInt8]) {
    for index in bytes.indices {
        switch bytes[index] {
        case 0x0D: require(index + 1 < bytes.count && bytes[index + 1] == 0x0A, "a bare CR was accepted")
        case 0x0A: require(index > 0 && bytes[index - 1] == 0x0D, "a bare LF was accepted")
        case 0x09: break
        case 0..<0x20, 0x7F: fatalError("a control byte was accepted")
        default: break
        }
    }
    require(bytes.starts(with: "\(head.version) \(head.status)".utf8), "the status line is another one")
    require((100...599).contains(head.status), "the status \(head.status) was accepted")
    for field in head.fields {
        field.withUnsafeBytesOfValue { value in
            require(!value.contains(0x0D) && !value.contains(0x0A), "a value has a line end")
            require(value.first != 0x20 && value.last != 0x20 && value.first != 0x09 && value.last != 0x09, "a value has blanks")
        }
    }
    let lengths = head.values(of: .contentLength).flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let codings = head.values(of: .transferEncoding)
    require(codings.isEmpty || lengths.isEmpty && codings.count == 1, "two framings were accepted")
    for coding in codings { require(coding.lowercased() == "chunked" && head.version == .http11, "\(coding) was accepted") }
    for length in lengths {
        let digits = length.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
        let isDigits = digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        require(isDigits && Int(digits) == head.contentLength, "the length \(length) was accepted")
    }
    require(lengths.isEmpty == (head.contentLength == nil), "a length was lost")
    let hasNoContent = head.status < 200 || head.status == 204 || head.status == 304
    let framing = head.framing(toHead: false)
    require(head.framing(toHead: true) == .none, "an answer to HEAD has content")
    switch framing {
    case .none: require(hasNoContent, "the content was lost")
    case .length(let length): require(length == head.contentLength && !hasNoContent, "the length is another one")
    case .chunked: require(!codings.isEmpty && !hasNoContent, "chunks were made up")
    case .untilClose: require(codings.isEmpty && lengths.isEmpty && !hasNoContent, "the framing was lost")
    }
    if framing == .untilClose { require(!head.keepsAlive(toHead: false), "a connection outlives itself") }
    if hasNoContent, !codings.isEmpty { require(!head.keepsAlive(toHead: true), "doubtful bytes follow") }
}
