import HTTPTypes
import HTTPWire
import Testing

/// The contents of a head, in a form that can be compared and printed.
struct HeadSnapshot: Hashable {
    var line: [String?]
    var fields: [String]
    var framing: BodyFraming
    var flags: [Bool]
    var byteCount: Int
    var details: [String?]
    var bytes: [[UInt8]]

    init(_ head: RequestHead) {
        line = [
            head.method.rawValue, head.target, head.path, head.query, head.authority, "\(head.targetForm)", "\(head.version)",
        ]
        fields = head.fields.map { "\($0.name.rawName)=\($0.value)" }
        framing = head.framing
        flags = [head.keepAlive, head.expectsContinue]
        byteCount = head.byteCount
        details = [
            "\(head.asksForKeepAlive)", head.contentLength.map { "\($0)" }, "\(head.fieldCount)", head.request.path,
            head[.userAgent], head[.connection],
        ]
        bytes = [head.withBytes { $0.array }, head.withPathBytes { $0.array }]
    }
}

extension Span<UInt8> {
    fileprivate var array: [UInt8] { indices.map { self[$0] } }
}

/// The result of feeding bytes to a parser, one head after the other.
struct Parsed: Hashable {
    var heads: [HeadSnapshot] = []
    var error: HTTPParseError.Code?

    /// Feeds `bytes`, of which at each step the first `ends` have arrived.
    init(_ bytes: [UInt8], ends: some Sequence<Int>, limits: HTTPWireLimits = HTTPWireLimits()) {
        var parser = RequestHeadParser(limits: limits)
        var consumed = 0
        do throws(HTTPParseError) {
            for end in ends {
                while let head = try parser.parse(bytes[consumed..<end].span.bytes) {
                    heads.append(HeadSnapshot(head))
                    consumed += head.byteCount
                }
            }
        } catch {
            self.error = error.code
        }
    }
}

/// The result of feeding bytes to a body decoder.
struct Decoded: Hashable {
    var content: [UInt8] = []
    var trailers: HTTPFields = [:]
    var consumed = 0
    var isComplete = false
    var error: HTTPParseError.Code?

    init(_ bytes: [UInt8], ends: some Sequence<Int>, framing: BodyFraming = .chunked, limits: HTTPWireLimits = HTTPWireLimits()) {
        self.init(bytes, ends: ends, BodyDecoder(framing: framing, limits: limits))
    }

    init(_ bytes: [UInt8], ends: some Sequence<Int>, _ decoder: BodyDecoder) {
        var decoder = decoder
        do throws(HTTPParseError) {
            feeding: for end in ends {
                while true {
                    let rest = bytes[consumed..<end]
                    let step = try decoder.decode(rest.span.bytes)
                    if case .data(let range) = step.outcome {
                        content += range.map { rest[rest.startIndex + $0] }
                    }
                    consumed += step.consumed
                    if step.outcome == .end { break feeding }
                    if step.outcome == .needMore { break }
                }
            }
            isComplete = decoder.isComplete
            trailers = decoder.trailers
        } catch {
            self.error = error.code
            // The number of bytes consumed before an error depends on how they were cut.
            consumed = 0
        }
    }
}

/// Feeds `text` whole, in two pieces cut at every byte, and byte by byte. The results must be the same.
func parse(_ text: String, limits: HTTPWireLimits = HTTPWireLimits(), sourceLocation: SourceLocation = #_sourceLocation) -> Parsed
{
    parse(Array(text.utf8), limits: limits, sourceLocation: sourceLocation)
}

func parse(
    _ bytes: [UInt8], limits: HTTPWireLimits = HTTPWireLimits(), sourceLocation: SourceLocation = #_sourceLocation
) -> Parsed {
    everyWay(bytes.count, sourceLocation) { Parsed(bytes, ends: $0, limits: limits) }
}

func decode(
    _ text: String, framing: BodyFraming = .chunked, limits: HTTPWireLimits = HTTPWireLimits(),
    sourceLocation: SourceLocation = #_sourceLocation
) -> Decoded {
    let bytes = Array(text.utf8)
    return everyWay(bytes.count, sourceLocation) { Decoded(bytes, ends: $0, framing: framing, limits: limits) }
}

/// Decodes the body of a response.
func decodeResponse(
    _ text: String, framing: ResponseBodyFraming = .chunked, limits: HTTPWireLimits = HTTPWireLimits(),
    sourceLocation: SourceLocation = #_sourceLocation
) -> Decoded {
    let bytes = Array(text.utf8)
    return everyWay(bytes.count, sourceLocation) {
        Decoded(bytes, ends: $0, BodyDecoder(framing: framing, limits: limits))
    }
}

func everyWay<Outcome: Equatable>(
    _ count: Int, _ sourceLocation: SourceLocation, _ run: ([Int]) -> Outcome
) -> Outcome {
    let whole = run([count])
    #expect(run(Array(0...count)) == whole, "byte by byte", sourceLocation: sourceLocation)
    // Long inputs test limits, where only the cuts around the end matter.
    let cuts = count <= 600 ? Array(0...count) : Array(0...64) + Array((count - 64)...count)
    for cut in cuts where run([cut, count]) != whole {
        Issue.record("cut at \(cut): \(run([cut, count])) is not \(whole)", sourceLocation: sourceLocation)
    }
    return whole
}

/// One request with these field lines, each without its CRLF.
func request(_ fields: String..., line: String = "GET / HTTP/1.1", host: Bool = true) -> String {
    ([line] + (host ? ["Host: a"] : []) + fields).map { $0 + "\r\n" }.joined() + "\r\n"
}

/// A malformed input and its error.
struct Refusal: CustomTestStringConvertible, Sendable {
    var input: String
    var code: HTTPParseError.Code
    var status: Int

    init(_ input: String, _ code: HTTPParseError.Code, _ status: Int = 400) {
        (self.input, self.code, self.status) = (input, code, status)
    }

    var testDescription: String { "\(input.debugDescription) is \(code)" }

    func check(_ error: HTTPParseError.Code?, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(error == code, sourceLocation: sourceLocation)
        #expect(error.map { HTTPParseError($0).status } == status, sourceLocation: sourceLocation)
    }
}
