internal import CCurl
internal import CTandemCurl
internal import Tandem

/// An easy handle of libcurl, for one job at a time, with the memory that libcurl refers to.
final class EasyHandle {
    /// The `CURL *`.
    let pointer: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var fields: UnsafeMutablePointer<curl_slist>?

    /// Creates a handle. Throws `unavailable` if there is no memory.
    init() throws(FetchError) {
        guard let pointer = curl_easy_init() else { throw FetchError(.unavailable, "no memory for a libcurl handle") }
        self.pointer = pointer
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.pointee = 0
    }

    deinit {
        curl_easy_cleanup(pointer)
        curl_slist_free_all(fields)
        errorText.deallocate()
    }

    /// Resets every option, and frees the memory that they refer to.
    func reset() {
        curl_easy_reset(pointer)
        curl_slist_free_all(fields)
        fields = nil
        errorText.pointee = 0
        firstFailure = CURLE_OK
    }

    /// libcurl's message about the failure; it may be empty.
    var errorDetail: String { String(cString: errorText) }

    // MARK: Options

    /// Sets the options that every connection needs: URL, timeout and TLS. Throws if an option could not be set.
    func prepare(_ url: TargetURL, _ origin: UpstreamOrigin, _ settings: FetchSettings, _ deadline: FetchDeadline)
        throws(FetchError)
    {
        let configuration = settings.configuration
        set(CURLOPT_ERRORBUFFER, UnsafeRawPointer(errorText))
        set(CURLOPT_URL, "\(url.isSecure ? "https" : "http")://\(url.host):\(url.port)\(url.target)")
        // At least 1, because 0 would select libcurl's default.
        let allowed = deadline.deadline.remaining.map { min($0, configuration.connectTimeout) } ?? configuration.connectTimeout
        set(CURLOPT_CONNECTTIMEOUT_MS, max(1, allowed.millisecondsRoundedUp))
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_PROXY, "")
        set(CURLOPT_NOPROXY, "*")
        set(CURLOPT_NOSIGNAL, true)
        // Without this option, the end of a job whose name is still being looked up would block the hub until the look-up is
        // over. With it, libcurl leaves the resolver's thread to end by itself.
        set(CURLOPT_QUICK_EXIT, true)
        if url.isSecure { setTLS(configuration) }
        guard firstFailure == CURLE_OK else { throw FetchError(firstFailure, fetching: origin.text, detail: errorDetail) }
    }

    private func setTLS(_ configuration: FetchConfiguration) {
        set(
            CURLOPT_SSLVERSION,
            configuration.minimumTLSVersion == .tls13 ? Int(CURL_SSLVERSION_TLSv1_3) : Int(CURL_SSLVERSION_TLSv1_2))
        if !configuration.verifiesCertificates {
            set(CURLOPT_SSL_VERIFYPEER, false)
            set(CURLOPT_SSL_VERIFYHOST, 0)
        }
        if let file = configuration.certificateAuthorities {
            set(CURLOPT_CAINFO, file)
        }
        // Without a directory of authorities libcurl parses them once per multi handle; with one, for each connection, which
        // costs 27 ms.
        if configuration.certificateAuthorities != nil || tandem_curl_has_authorities_file() {
            set(CURLOPT_CAPATH, nil as UnsafeRawPointer?)
        }
        guard let certificate = configuration.clientCertificate else { return }
        set(CURLOPT_SSLCERT, certificate)
        set(CURLOPT_SSLKEY, configuration.clientKey ?? certificate)
    }

    /// Adds a line to the fields of the request: `Name: value`, `Name;` for an empty value, or `Name:` to leave the field out.
    func addField(_ line: UnsafePointer<CChar>) {
        guard let longer = curl_slist_append(fields, line) else { return note(CURLE_OUT_OF_MEMORY) }
        fields = longer
    }

    /// Makes libcurl send the fields that were added.
    func useFields() { set(CURLOPT_HTTPHEADER, UnsafeRawPointer(fields)) }

    // The first failure to set an option. An option fails if there is no memory, or if libcurl was built without it. The job
    // must not start then, because the option may be a limit.
    private(set) var firstFailure = CURLE_OK

    func set(_ option: CURLoption, _ value: Int) { note(tandem_curl_set_long(pointer, option, value)) }
    func set(_ option: CURLoption, _ value: Bool) { note(tandem_curl_set_long(pointer, option, value ? 1 : 0)) }
    func set(_ option: CURLoption, offset value: Int64) { note(tandem_curl_set_offset(pointer, option, value)) }
    func set(_ option: CURLoption, _ value: String) { note(tandem_curl_set_string(pointer, option, value)) }
    func set(_ option: CURLoption, _ value: UnsafeRawPointer?) { note(tandem_curl_set_pointer(pointer, option, value)) }

    private func note(_ result: CURLcode) {
        if firstFailure == CURLE_OK { firstFailure = result }
    }
}

extension Duration {
    fileprivate var millisecondsRoundedUp: Int {
        let (seconds, attoseconds) = components
        let rest = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        // libcurl has 32 bits for this, which is enough for 24 days.
        return min(Int(clamping: min(seconds, 1_000_000_000) * 1000 + rest), Int(Int32.max))
    }
}
