import HTTPTypes
import HTTPWire
import Testing

/// The contents of a response head, in a form that can be compared and printed.
struct ResponseSnapshot: Hashable {
    var status: Int
    var reason: String
    var version: HTTPVersion
    var fields: [String]
    var framing: ResponseBodyFraming
    var framingToHead: ResponseBodyFraming
    var contentLength: Int?
    var keepsAlive: [Bool]
    var has: [Bool]
    var byteCount: Int
    var details: [String?]

    init(_ head: ResponseHead) {
        status = head.status
        reason = head.reason
        version = head.version
        fields = head.fields.map { "\($0.name.rawName)=\($0.value)" }
        framing = head.framing(toHead: false)
        framingToHead = head.framing(toHead: true)
        contentLength = head.contentLength
        keepsAlive = [head.keepsAlive(toHead: false), head.keepsAlive(toHead: true)]
        has = [head.hasContentEncoding, head.hasLocation, head.hasRetryAfter]
        byteCount = head.byteCount
        details = ["\(head.fieldCount)", head[.server], head[.connection]] + head.values(of: .setCookie)
    }
}

/// The result of feeding bytes to a response head parser, one head after the other.
struct ParsedResponses: Hashable {
    var heads: [ResponseSnapshot] = []
    var error: HTTPParseError?

    /// Feeds `bytes`, of which at each step the first `ends` have arrived. The next head follows each head without content.
    init(_ bytes: [UInt8], ends: some Sequence<Int>, limits: HTTPWireLimits = HTTPWireLimits()) {
        var parser = ResponseHeadParser(limits: limits)
        var consumed = 0
        do throws(HTTPParseError) {
            for end in ends {
                while let head = try parser.parse(bytes[consumed..<end].span.bytes) {
                    heads.append(ResponseSnapshot(head))
                    consumed += head.byteCount
                }
            }
        } catch {
            self.error = error
        }
    }
}

/// Feeds `text` whole, in two pieces cut at every byte, and byte by byte; the result must be the same.
func parseResponses(
    _ text: String, limits: HTTPWireLimits = HTTPWireLimits(), sourceLocation: SourceLocation = #_sourceLocation
) -> ParsedResponses {
    parseResponses(Array(text.utf8), limits: limits, sourceLocation: sourceLocation)
}

func parseResponses(
    _ bytes: [UInt8], limits: HTTPWireLimits = HTTPWireLimits(), sourceLocation: SourceLocation = #_sourceLocation
) -> ParsedResponses {
    everyWay(bytes.count, sourceLocation) { ParsedResponses(bytes, ends: $0, limits: limits) }
}

/// One response head with these field lines, each without its CRLF.
func response(_ fields: String..., line: String = "HTTP/1.1 200 OK") -> String {
    ([line] + fields).map { $0 + "\r\n" }.joined() + "\r\n"
}

/// A malformed response and its error.
struct ResponseRefusal: CustomTestStringConvertible, Sendable {
    var input: String
    var code: HTTPParseError.Code

    init(_ input: String, _ code: HTTPParseError.Code) {
        (self.input, self.code) = (input, code)
    }

    var testDescription: String { "\(input.debugDescription) is \(code)" }

    func check(_ error: HTTPParseError?, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(error == HTTPParseError(code, in: .response), sourceLocation: sourceLocation)
    }
}
