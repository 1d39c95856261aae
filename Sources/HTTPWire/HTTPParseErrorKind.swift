/// The cases behind ``HTTPParseError/Code``, each with its status and the sentence that describes it.
extension HTTPParseError {
    enum Kind: UInt8 {
        case bareCarriageReturn, bareLineFeed
        case requestLineTooLong, invalidMethod, invalidTarget, invalidPercentEncoding
        case missingVersion, invalidVersion, unsupportedVersion
        case invalidStatusLine, statusLineTooLong
        case fieldLineTooLong, tooManyFields, fieldSectionTooLarge
        case invalidFieldName, whitespaceBeforeColon, missingColon, foldedField, invalidFieldValue
        case missingHost, duplicateHost, invalidHost
        case invalidContentLength, duplicateContentLength, conflictingContentLength
        case invalidTransferEncoding, unsupportedTransferCoding, conflictingFraming, transferEncodingInHTTP10
        case unsupportedExpectation
        case invalidChunkSize, chunkSizeTooLarge, invalidChunkExtension, chunkExtensionsTooLong, missingChunkEnd
        case forbiddenTrailer

        var status: Int {
            switch self {
            case .requestLineTooLong: 414
            case .unsupportedExpectation: 417
            case .fieldLineTooLong, .tooManyFields, .fieldSectionTooLarge: 431
            case .unsupportedTransferCoding: 501
            case .unsupportedVersion: 505
            default: 400
            }
        }

        /// Returns the sentence that describes the error. Most sentences are the same for requests and responses.
        func reason(in message: Message) -> String {
            switch (message, self) {
            case (.response, .unsupportedVersion): "The version of the response is neither HTTP/1.0 nor HTTP/1.1."
            case (.response, .foldedField):
                "The first header field, or one that controls framing or the connection, is folded over several lines."
            case (.response, .conflictingFraming): "The response has both Transfer-Encoding and Content-Length."
            case (.response, .transferEncodingInHTTP10): "The response is HTTP/1.0 and has Transfer-Encoding."
            case (.response, .forbiddenTrailer): "A trailer field frames the response."
            default: reason
            }
        }

        private var reason: String {
            switch self {
            case .bareCarriageReturn: "A CR is not followed by LF; lines end with CRLF."
            case .bareLineFeed: "An LF is not preceded by CR; lines end with CRLF."
            case .requestLineTooLong: "The request line is too long."
            case .invalidMethod: "The request does not start with a method name followed by one space."
            case .invalidTarget:
                "The request target has an invalid character, or a form that the method does not allow."
            case .invalidPercentEncoding: "A % in the request target is not followed by two hexadecimal digits; write %25 for %."
            case .missingVersion: "The request line has no HTTP version."
            case .invalidVersion: "The request line does not end with HTTP/1.1 after one space."
            case .unsupportedVersion: "Only HTTP/1.0 and HTTP/1.1 are supported."
            case .invalidStatusLine: "The response does not start with a status line such as HTTP/1.1 200 OK."
            case .statusLineTooLong: "The status line is too long."
            case .fieldLineTooLong: "A header field is too long."
            case .tooManyFields: "There are too many header fields."
            case .fieldSectionTooLarge: "The header fields are too large in total."
            case .invalidFieldName: "A header field name is empty or holds a character that is not allowed in a name."
            case .whitespaceBeforeColon: "There is whitespace between a header field name and its colon."
            case .missingColon: "A header field line has no colon."
            case .foldedField: "A header field line starts with whitespace; write the whole field on one line."
            case .invalidFieldValue: "A header field value holds a control character."
            case .missingHost: "The Host header field is missing."
            case .duplicateHost: "There is more than one Host header field."
            case .invalidHost: "The Host is not a name or an address with an optional port."
            case .invalidContentLength: "Content-Length is not one decimal number in range."
            case .duplicateContentLength: "There is more than one Content-Length."
            case .conflictingContentLength: "There are several values of Content-Length, and they differ."
            case .invalidTransferEncoding: "Transfer-Encoding is malformed; chunked must occur once, as the last coding."
            case .unsupportedTransferCoding: "Only the transfer coding chunked is implemented."
            case .conflictingFraming: "The request has both Transfer-Encoding and Content-Length; send one of them."
            case .transferEncodingInHTTP10: "HTTP/1.0 has no Transfer-Encoding; send Content-Length."
            case .unsupportedExpectation: "The only supported expectation is 100-continue."
            case .invalidChunkSize: "A chunk size is empty or holds a character that is not a hexadecimal digit."
            case .chunkSizeTooLarge: "A chunk size is too large."
            case .invalidChunkExtension: "A chunk extension is malformed."
            case .chunkExtensionsTooLong: "The chunk extensions are too long."
            case .missingChunkEnd: "The content of a chunk is not followed by CRLF, so its size is wrong."
            case .forbiddenTrailer: "A trailer field frames or routes the message; send it in the header."
            }
        }
    }
}
