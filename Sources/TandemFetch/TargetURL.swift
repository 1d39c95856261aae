internal import CCurl
internal import HTTPWire

/// A parsed URL. libcurl itself parses it, and the transfer is given the result, not the text again: what was checked is
/// what is fetched.
final class TargetURL {
    /// libcurl's parts.
    let handle: OpaquePointer
    /// As it was given.
    let text: String
    /// Scheme, host and port: what may be shown, and what redirects are compared by.
    let origin: String
    /// In lower case, an IPv6 address in brackets.
    let host: String
    /// The one that is connected to, also where the URL names none.
    let port: Int
    /// Whether it is `https`.
    let isSecure: Bool

    /// Throws `badURL`: not absolute, malformed, with control characters, or neither `http` nor `https`.
    init(_ text: String) throws(FetchError) {
        // libcurl would stop at the NUL, and fetch something else than what was asked for.
        guard !text.utf8.contains(0) else { throw TargetURL.malformed("it contains a NUL") }
        guard let handle = curl_url() else { throw FetchError(.unavailable, "no memory for a URL") }
        let failed = curl_url_set(handle, CURLUPART_URL, text, UInt32(CURLU_NON_SUPPORT_SCHEME))
        guard failed == CURLUE_OK else {
            curl_url_cleanup(handle)
            throw TargetURL.malformed(String(cString: curl_url_strerror(failed)))
        }
        let scheme = TargetURL.part(CURLUPART_SCHEME, of: handle).lowercased()
        guard scheme == "http" || scheme == "https" else {
            curl_url_cleanup(handle)
            throw FetchError(.badURL, "the URL's scheme is \"\(scheme)\": only http and https are fetched")
        }
        let host = TargetURL.part(CURLUPART_HOST, of: handle).lowercased()
        let port = TargetURL.part(CURLUPART_PORT, of: handle, flags: UInt32(CURLU_DEFAULT_PORT))
        self.handle = handle
        self.text = text
        self.host = host
        self.port = Int(port) ?? 0
        isSecure = scheme == "https"
        origin = "\(scheme)://\(host):\(port)"
    }

    /// The whole of it but its secrets, as OpenTelemetry's conventions want it for `url.full`: name, password and the values of
    /// sensitive keys of the query are replaced, and there is no fragment, which is not sent and may be a secret.
    var redacted: String {
        let secrets = [CURLUPART_USER, CURLUPART_PASSWORD].filter { !TargetURL.part($0, of: handle).isEmpty }
            .map { _ in QueryRedaction.placeholder }.joined(separator: ":")
        let query = TargetURL.part(CURLUPART_QUERY, of: handle)
        return "\(isSecure ? "https" : "http")://\(secrets.isEmpty ? "" : secrets + "@")\(host):\(port)"
            + TargetURL.part(CURLUPART_PATH, of: handle) + (query.isEmpty ? "" : "?" + QueryRedaction.redacted(query))
    }

    deinit { curl_url_cleanup(handle) }

    private static func malformed(_ why: String) -> FetchError {
        FetchError(.badURL, "not an absolute http or https URL: \(why)", curlCode: Int32(CURLE_URL_MALFORMAT.rawValue))
    }

    private static func part(_ what: CURLUPart, of handle: OpaquePointer, flags: UInt32 = 0) -> String {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, what, &text, flags) == CURLUE_OK, let text else { return "" }
        defer { curl_free(text) }
        return String(cString: text)
    }
}
