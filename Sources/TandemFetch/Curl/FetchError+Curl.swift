internal import CCurl

extension FetchError {
    /// What libcurl says of a transfer, in Tandem's words. `detail` is libcurl's own sentence, if it has one.
    init(_ result: CURLcode, fetching origin: String, detail: String) {
        let (code, what) = FetchError.meaning(of: result)
        let said = detail.isEmpty ? String(cString: curl_easy_strerror(result)) : FetchError.printable(detail)
        self.init(code, "\(origin): \(what): \(said)", curlCode: Int32(result.rawValue))
    }

    private static func meaning(of result: CURLcode) -> (Code, String) {
        switch result {
        case CURLE_URL_MALFORMAT:
            (.badURL, "not a URL that can be fetched")
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            (.couldNotResolve, "the name of the host could not be resolved")
        case CURLE_COULDNT_CONNECT, CURLE_INTERFACE_FAILED:
            (.couldNotConnect, "could not connect; check that the server runs and listens there")
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_SSL_INVALIDCERTSTATUS:
            (.tls, "TLS could not be established")
        case CURLE_SSL_CACERT_BADFILE:
            (.tls, "the file in `certificateAuthorities` cannot be used")
        case CURLE_OPERATION_TIMEDOUT:
            (.timedOut, "too slow")
        case CURLE_FILESIZE_EXCEEDED:
            (.tooLarge, "the response is too large")
        case CURLE_OUT_OF_MEMORY, CURLE_FAILED_INIT:
            (.unavailable, "libcurl could not start the transfer")
        default:
            (.transfer, "the transfer broke off")
        }
    }

    /// Part of it may come from the server: nothing that could forge a line of a log.
    private static func printable(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? " " : $0 }))
    }
}
