/// The framing, the host and the connection options of a request, collected from its fields line by line.
struct RequestControlFields: Sendable {
    private(set) var host: ByteRange?
    private(set) var body = FramingFields()
    private(set) var connection = ConnectionOptions()
    private var expectsContinue = false
    private var expectsMore = false

    /// Records one field line. Five names matter, and their lengths differ.
    mutating func note(_ entry: FieldEntry, in bytes: Span<UInt8>) throws(HTTPParseError) {
        let name = bytes.extracting(entry.name.range)
        let value = bytes.extracting(entry.value.range)
        switch name.count {
        case 4 where name.equalsIgnoringCase("host"):
            guard host == nil else { throw HTTPParseError(.duplicateHost) }
            guard Authority.isValid(value) else { throw HTTPParseError(.invalidHost) }
            host = entry.value
        case 6 where name.equalsIgnoringCase("expect"): noteExpectations(value)
        case 10 where name.equalsIgnoringCase("connection"): connection.note(value)
        case 14 where name.equalsIgnoringCase("content-length"): try body.noteOnlyLength(value)
        case 17 where name.equalsIgnoringCase("transfer-encoding"): try body.noteCoding(value)
        default: break
        }
    }

    /// Returns whether the client waits for 100 Continue. Expectations in an HTTP/1.0 request are ignored (RFC 9110 section
    /// 10.1.1).
    func expectsContinue(version: HTTPVersion) throws(HTTPParseError) -> Bool {
        guard version == .http11 else { return false }
        guard !expectsMore else { throw HTTPParseError(.unsupportedExpectation) }
        return expectsContinue
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
}

/// The framing and the connection options of a response, collected from its fields line by line, and whether it has the fields
/// that a client looks up in every response.
struct ResponseControlFields: Sendable {
    private(set) var body = FramingFields()
    private(set) var connection = ConnectionOptions()
    private(set) var hasContentEncoding = false
    private(set) var hasLocation = false
    private(set) var hasRetryAfter = false

    /// Records one field. Six names matter, and their lengths differ.
    ///
    /// - Parameter isFolded: Whether the field continues over several lines. This is an error in a field that frames the
    ///   response or controls the connection.
    mutating func note(_ entry: FieldEntry, isFolded: Bool, in bytes: Span<UInt8>) throws(HTTPParseError) {
        let name = bytes.extracting(entry.name.range)
        let value = bytes.extracting(entry.value.range)
        switch name.count {
        case 8 where name.equalsIgnoringCase("location"): hasLocation = true
        case 10 where name.equalsIgnoringCase("connection"):
            try requireOneLine(isFolded)
            connection.note(value)
        case 11 where name.equalsIgnoringCase("retry-after"): hasRetryAfter = true
        case 14 where name.equalsIgnoringCase("content-length"):
            try requireOneLine(isFolded)
            try body.noteEqualLengths(value)
        case 16 where name.equalsIgnoringCase("content-encoding"): hasContentEncoding = true
        case 17 where name.equalsIgnoringCase("transfer-encoding"):
            try requireOneLine(isFolded)
            try body.noteCoding(value)
        default: break
        }
    }

    private func requireOneLine(_ isFolded: Bool) throws(HTTPParseError) {
        guard !isFolded else { throw HTTPParseError(.foldedField) }
    }
}

/// The values of `Content-Length` and `Transfer-Encoding` (RFC 9112 section 6.3).
struct FramingFields: Sendable {
    private(set) var contentLength: Int?
    private(set) var isChunked = false

    /// Records a `Content-Length` that may occur only once and holds one number.
    mutating func noteOnlyLength(_ value: Span<UInt8>) throws(HTTPParseError) {
        guard contentLength == nil else { throw HTTPParseError(.duplicateContentLength) }
        contentLength = try Self.decimal(value)
    }

    /// Records a `Content-Length` that may be repeated, on several lines or in a list, if all values are equal.
    mutating func noteEqualLengths(_ value: Span<UInt8>) throws(HTTPParseError) {
        try value.forEachListElement { element throws(HTTPParseError) in
            let length = try Self.decimal(element)
            guard contentLength == nil || contentLength == length else { throw HTTPParseError(.conflictingContentLength) }
            contentLength = length
        }
    }

    /// Records a `Transfer-Encoding`, which may occur only once.
    mutating func noteCoding(_ value: Span<UInt8>) throws(HTTPParseError) {
        guard !isChunked else { throw HTTPParseError(.invalidTransferEncoding) }
        try Self.requireChunked(value)
        isChunked = true
    }

    /// Throws if the fields contradict each other or the version.
    func check(version: HTTPVersion) throws(HTTPParseError) {
        guard isChunked else { return }
        guard contentLength == nil else { throw HTTPParseError(.conflictingFraming) }
        guard version == .http11 else { throw HTTPParseError(.transferEncodingInHTTP10) }
    }

    /// Returns the framing of a request's body.
    func framing(version: HTTPVersion) throws(HTTPParseError) -> BodyFraming {
        try check(version: version)
        return isChunked ? .chunked : contentLength.map { .length($0) } ?? .none
    }

    /// Returns the value of a text that holds decimal digits only. Recipients differ in how they read signs, lists, blanks and
    /// hexadecimal numbers, so these are refused.
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

    /// Throws unless the value is exactly `chunked`. A list in which `chunked` occurs twice or not last, or an element is
    /// empty, is malformed, because the end of the body would be unknown. Any other coding is unsupported.
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

/// The options in `Connection` that decide whether the connection is kept (RFC 9112 section 9.3).
struct ConnectionOptions: Sendable {
    private var closes = false
    /// Whether `keep-alive` is among the options. HTTP/1.1 does not need it.
    private(set) var asksForKeepAlive = false

    mutating func note(_ value: Span<UInt8>) {
        value.forEachListElement { option in
            if option.equalsIgnoringCase("close") { closes = true }
            if option.equalsIgnoringCase("keep-alive") { asksForKeepAlive = true }
        }
    }

    /// Returns whether the connection can carry another request (RFC 9112 section 9.3).
    func keepsAlive(version: HTTPVersion) -> Bool {
        !closes && (version == .http11 || asksForKeepAlive)
    }
}
