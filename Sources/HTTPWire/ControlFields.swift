/// What the fields of a head say about its framing, its host and its connection, gathered line by line.
struct ControlFields: Sendable {
    private(set) var host: ByteRange?
    private var contentLength: Int?
    private var isChunked = false
    private var closes = false
    /// `Connection` has `keep-alive`, which HTTP/1.1 does not need.
    private(set) var asksForKeepAlive = false
    private var expectsContinue = false
    private var expectsMore = false

    /// Takes note of one field line. Five names matter, each of another length.
    mutating func note(_ entry: FieldEntry, in bytes: Span<UInt8>) throws(HTTPParseError) {
        let name = bytes.extracting(entry.name.range)
        let value = bytes.extracting(entry.value.range)
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"):
            guard host == nil else { throw HTTPParseError(.duplicateHost) }
            guard Authority.isValid(value) else { throw HTTPParseError(.invalidHost) }
            host = entry.value
        case 6 where name.equalsIgnoringCase("expect"): noteExpectations(value)
        case 10 where name.equalsIgnoringCase("connection"): noteConnection(value)
        case 14 where name.equalsIgnoringCase("content-length"):
            guard contentLength == nil else { throw HTTPParseError(.duplicateContentLength) }
            contentLength = try Self.decimal(value)
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            guard !isChunked else { throw HTTPParseError(.invalidTransferEncoding) }
            try Self.requireChunked(value)
            isChunked = true
        default: break
        }
    }

    /// What follows the head (RFC 9112 section 6.3).
    func framing(version: HTTPVersion) throws(HTTPParseError) -> BodyFraming {
        guard isChunked else { return contentLength.map { .length($0) } ?? .none }
        guard contentLength == nil else { throw HTTPParseError(.conflictingFraming) }
        guard version == .http11 else { throw HTTPParseError(.transferEncodingInHTTP10) }
        return .chunked
    }

    /// Whether the connection can carry another request (RFC 9112 section 9.3).
    func keepsAlive(version: HTTPVersion) -> Bool {
        !closes && (version == .http11 || asksForKeepAlive)
    }

    /// Whether the client waits for 100 Continue. HTTP/1.0 knows no expectations (RFC 9110 section 10.1.1).
    func expectsContinue(version: HTTPVersion) throws(HTTPParseError) -> Bool {
        guard version == .http11 else { return false }
        guard !expectsMore else { throw HTTPParseError(.unsupportedExpectation) }
        return expectsContinue
    }

    private mutating func noteConnection(_ value: Span<UInt8>) {
        value.forEachListElement { option in
            if option.equalsIgnoringCase("close") { closes = true }
            if option.equalsIgnoringCase("keep-alive") { asksForKeepAlive = true }
        }
    }

    private mutating func noteExpectations(_ value: Span<UInt8>) {
        value.forEachListElement { expectation in
            if expectation.equalsIgnoringCase("100-continue") {
                expectsContinue = true
            } else if !expectation.isEmpty {
                expectsMore = true
            }
        }
    }

    /// Digits only: a sign, a list, a blank or a hexadecimal number is read differently by different recipients.
    private static func decimal(_ bytes: Span<UInt8>) throws(HTTPParseError) -> Int {
        var value = 0
        for index in bytes.indices {
            guard bytes[index].isDigit else { throw HTTPParseError(.invalidContentLength) }
            let (product, productOverflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, sumOverflows) = product.addingReportingOverflow(Int(bytes[index] - UInt8(ascii: "0")))
            guard !productOverflows, !sumOverflows else { throw HTTPParseError(.invalidContentLength) }
            value = sum
        }
        guard !bytes.isEmpty else { throw HTTPParseError(.invalidContentLength) }
        return value
    }

    /// Returns for exactly `chunked`. Whatever would leave the end of the body unknown is malformed (`chunked` twice or not
    /// last, an empty element); any other coding, `xchunked` too, is one that is not implemented.
    private static func requireChunked(_ value: Span<UInt8>) throws(HTTPParseError) {
        if value.equalsIgnoringCase("chunked") { return }
        var wasChunked = false
        try value.forEachListElement { coding throws(HTTPParseError) in
            guard !coding.isEmpty, !wasChunked else { throw HTTPParseError(.invalidTransferEncoding) }
            wasChunked = coding.equalsIgnoringCase("chunked")
        }
        throw HTTPParseError(.unsupportedTransferCoding)
    }
}
