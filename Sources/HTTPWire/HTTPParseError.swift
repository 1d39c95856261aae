/// An error in a message that a peer sent: it is malformed, exceeds a limit, or needs a feature that is not supported.
///
/// After such an error the start of the next message is unknown. A server answers with ``status`` and closes the connection; a
/// client closes the connection.
public struct HTTPParseError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The two kinds of HTTP messages.
    public enum Message: Sendable, Hashable {
        /// A request, which a server reads.
        case request
        /// A response, which a client reads.
        case response
    }

    /// The kind of the error.
    public let code: Code

    /// The kind of message that has the error.
    public let message: Message

    /// Creates an error. Tests use this, and layers above that refuse a message with the same status and text.
    public init(_ code: Code, in message: Message = .request) {
        self.code = code
        self.message = message
    }

    /// The status with which a server should answer a request: 400, 414, 417, 431, 501 or 505. For an error in a response it is
    /// 502, with which a gateway answers its own client (RFC 9110 section 15.6.3).
    public var status: Int { message == .request ? code.kind.status : 502 }

    /// One sentence that says what is wrong and, where it helps, the remedy. It contains no bytes from the peer, so it is safe
    /// to log and to send.
    public var reason: String { code.kind.reason(in: message) }

    /// The status and the reason, such as `400: The request line has no HTTP version.` For a response, the reason only.
    public var description: String { message == .request ? "\(status): \(reason)" : reason }
}

extension HTTPParseError {
    /// The kind of error: one of the static members of this type. Later versions may add members, so a `switch` needs a
    /// `default`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        let kind: Kind

        /// The name of the static member.
        public var description: String { "\(kind)" }

        /// A CR that no LF follows (RFC 9112 section 2.2); 400.
        public static let bareCarriageReturn = Code(kind: .bareCarriageReturn)
        /// An LF that no CR precedes (RFC 9112 section 2.2); 400.
        public static let bareLineFeed = Code(kind: .bareLineFeed)

        /// The request line exceeds ``HTTPWireLimits/requestLine``; 414.
        public static let requestLineTooLong = Code(kind: .requestLineTooLong)
        /// The method is empty or not a token (RFC 9110 section 9.1); 400.
        public static let invalidMethod = Code(kind: .invalidMethod)
        /// The request target is empty, holds a byte that is not allowed in a URI, or has a form that its method does not allow
        /// (RFC 9112 section 3.2); 400.
        public static let invalidTarget = Code(kind: .invalidTarget)
        /// A `%` in the request target without two hexadecimal digits (RFC 3986 section 2.1); 400.
        public static let invalidPercentEncoding = Code(kind: .invalidPercentEncoding)
        /// The request line has no version, as in HTTP/0.9; 400.
        public static let missingVersion = Code(kind: .missingVersion)
        /// The version is not of the form `HTTP/1.1` (RFC 9112 section 2.3); 400.
        public static let invalidVersion = Code(kind: .invalidVersion)
        /// The version is neither HTTP/1.0 nor HTTP/1.1; 505.
        public static let unsupportedVersion = Code(kind: .unsupportedVersion)

        /// The first line of a response is not of the form `HTTP/1.1 200 OK`, or its status is not in 100...599 (RFC 9112
        /// section 4).
        public static let invalidStatusLine = Code(kind: .invalidStatusLine)
        /// The status line exceeds ``HTTPWireLimits/requestLine``.
        public static let statusLineTooLong = Code(kind: .statusLineTooLong)

        /// A field line exceeds ``HTTPWireLimits/fieldLine``; 431.
        public static let fieldLineTooLong = Code(kind: .fieldLineTooLong)
        /// More fields than ``HTTPWireLimits/fieldCount``; 431.
        public static let tooManyFields = Code(kind: .tooManyFields)
        /// The field section exceeds ``HTTPWireLimits/headBytes``, or the trailers ``HTTPWireLimits/trailerBytes``; 431.
        public static let fieldSectionTooLarge = Code(kind: .fieldSectionTooLarge)
        /// A field name is empty or not a token (RFC 9110 section 5.1); 400.
        public static let invalidFieldName = Code(kind: .invalidFieldName)
        /// Space or tab between a field name and its colon (RFC 9112 section 5.1); 400.
        public static let whitespaceBeforeColon = Code(kind: .whitespaceBeforeColon)
        /// A field line without a colon; 400.
        public static let missingColon = Code(kind: .missingColon)
        /// A field line that starts with space or tab (RFC 9112 sections 2.2 and 5.2); 400. In older versions of HTTP such a
        /// line continued the previous one. A response may have such lines, except as the first line and in fields that frame
        /// the response or control the connection.
        public static let foldedField = Code(kind: .foldedField)
        /// A control byte in a field value (RFC 9110 section 5.5); 400.
        public static let invalidFieldValue = Code(kind: .invalidFieldValue)

        /// An HTTP/1.1 request without `Host` (RFC 9112 section 3.2); 400.
        public static let missingHost = Code(kind: .missingHost)
        /// More than one `Host` (RFC 9112 section 3.2); 400.
        public static let duplicateHost = Code(kind: .duplicateHost)
        /// `Host` is not `uri-host [":" port]`, or empty (RFC 9110 section 7.2); 400.
        public static let invalidHost = Code(kind: .invalidHost)
        /// `Content-Length` is not one decimal number that fits in 63 bits (RFC 9110 section 8.6); 400.
        public static let invalidContentLength = Code(kind: .invalidContentLength)
        /// More than one `Content-Length` in a request, equal or not (RFC 9112 section 6.3); 400.
        public static let duplicateContentLength = Code(kind: .duplicateContentLength)
        /// More than one `Content-Length` in a response, with different values (RFC 9112 section 6.3).
        public static let conflictingContentLength = Code(kind: .conflictingContentLength)
        /// `Transfer-Encoding` is repeated or malformed, or has `chunked` twice or not last (RFC 9112 section 6.1); 400.
        public static let invalidTransferEncoding = Code(kind: .invalidTransferEncoding)
        /// A transfer coding other than `chunked` (RFC 9112 section 6.1); 501.
        public static let unsupportedTransferCoding = Code(kind: .unsupportedTransferCoding)
        /// Both `Transfer-Encoding` and `Content-Length` (RFC 9112 section 6.3); 400.
        public static let conflictingFraming = Code(kind: .conflictingFraming)
        /// `Transfer-Encoding` in an HTTP/1.0 message (RFC 9112 section 6.1); 400.
        public static let transferEncodingInHTTP10 = Code(kind: .transferEncodingInHTTP10)
        /// An expectation other than `100-continue` (RFC 9110 section 10.1.1); 417.
        public static let unsupportedExpectation = Code(kind: .unsupportedExpectation)

        /// A chunk size that is empty or holds anything other than hexadecimal digits (RFC 9112 section 7.1); 400.
        public static let invalidChunkSize = Code(kind: .invalidChunkSize)
        /// A chunk size that does not fit in 63 bits, or has more digits than ``HTTPWireLimits/chunkSizeDigits``; 400.
        public static let chunkSizeTooLarge = Code(kind: .chunkSizeTooLarge)
        /// A chunk extension that is not `;token`, `;token=token` or `;token="text"` (RFC 9112 section 7.1.1); 400.
        public static let invalidChunkExtension = Code(kind: .invalidChunkExtension)
        /// Extensions exceed ``HTTPWireLimits/chunkExtensionBytes`` or ``HTTPWireLimits/bodyExtensionBytes``; 400.
        public static let chunkExtensionsTooLong = Code(kind: .chunkExtensionsTooLong)
        /// The content of a chunk is not followed by CRLF, so its size was wrong (RFC 9112 section 7.1); 400.
        public static let missingChunkEnd = Code(kind: .missingChunkEnd)
        /// A trailer field that frames the message or, in a request, routes it or controls the connection (RFC 9110 section
        /// 6.5.1); 400.
        public static let forbiddenTrailer = Code(kind: .forbiddenTrailer)
    }
}
