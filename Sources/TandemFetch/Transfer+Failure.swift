internal import CCurl

/// Why it failed, in the caller's words.
extension Transfer {
    /// Gives up, from inside a callback, which then tells libcurl so. Always false.
    @discardableResult
    func refuse(_ error: any Error) -> Bool {
        if refusal == nil { refusal = error }
        return false
    }

    /// The caller's words for libcurl's result; nil when it is well.
    func failure(_ result: CURLcode) -> (any Error)? {
        if let refusal { return refusal }
        switch result {
        case CURLE_OK:
            guard head != nil else { return FetchError(.transfer, "\(url.origin): the connection ended without an answer") }
            return body.isCutOff ? cutOff : nil
        case CURLE_COULDNT_CONNECT where wasRefused && socketsOpened.isEmpty:
            return refused
        case CURLE_OPERATION_TIMEDOUT:
            return deadline.exceeded(url.origin, connected: requestsSent > 0)
        default:
            return FetchError(result, fetching: url.origin, detail: easy?.errorDetail ?? "")
        }
    }

    var refused: FetchError {
        let address = refusedAddress.map { "\($0)" } ?? "an address that is neither IPv4 nor IPv6"
        return FetchError(.refused, "\(url.origin): the address policy refuses \(address)")
    }

    var tooLarge: FetchError {
        FetchError(
            .tooLarge,
            "\(url.origin): the response \(body.inflater == nil ? "is" : "unfolds to") over \(body.limit) bytes; "
                + "raise `maxResponseBytes` if that is expected", curlCode: Int32(CURLE_FILESIZE_EXCEEDED.rawValue))
    }

    var malformed: FetchError { badCoding("the body is not coded as its `Content-Encoding` says") }

    var cutOff: FetchError { badCoding("the coded body ends before its end") }

    private func badCoding(_ what: String) -> FetchError {
        FetchError(.transfer, "\(url.origin): \(what)", curlCode: Int32(CURLE_BAD_CONTENT_ENCODING.rawValue))
    }
}
