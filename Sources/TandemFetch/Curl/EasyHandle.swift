internal import CCurl
internal import CTandemCurl
internal import Tandem

/// libcurl's handle for one job at a time, and the memory that libcurl borrows for it.
final class EasyHandle {
    /// The `CURL *`.
    let pointer: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var fields: UnsafeMutablePointer<curl_slist>?

    /// Throws `unavailable`.
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

    /// Forgets every option and what was borrowed.
    func reset() {
        curl_easy_reset(pointer)
        curl_slist_free_all(fields)
        fields = nil
        errorText.pointee = 0
        firstFailure = CURLE_OK
    }

    /// libcurl's sentence about what failed; may be empty.
    var errorDetail: String { String(cString: errorText) }

    // MARK: Options

    /// Sets the options that every connection has: to whom, in what time, with which TLS. Throws when one could not be set.
    func prepare(_ url: TargetURL, _ origin: UpstreamOrigin, _ settings: FetchSettings, _ deadline: FetchDeadline)
        throws(FetchError)
    {
        let configuration = settings.configuration
        set(CURLOPT_ERRORBUFFER, UnsafeRawPointer(errorText))
        set(CURLOPT_URL, "\(url.isSecure ? "https" : "http")://\(url.host):\(url.port)\(url.target)")
        // To libcurl 0 is its own default.
        let allowed = deadline.deadline.remaining.map { min($0, configuration.connectTimeout) } ?? configuration.connectTimeout
        set(CURLOPT_CONNECTTIMEOUT_MS, max(1, allowed.millisecondsRoundedUp))
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_PROXY, "")
        set(CURLOPT_NOPROXY, "*")
        set(CURLOPT_NOSIGNAL, true)
        // A name that is still being looked up when the job ends would hold the hub until the answer came; with
        // this the resolver's thread is left to end by itself.
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
        // libcurl parses the authorities once per multi handle only if there is no folder of them: 27 ms per connection else.
        if configuration.certificateAuthorities != nil || tandem_curl_has_authorities_file() {
            set(CURLOPT_CAPATH, nil as UnsafeRawPointer?)
        }
        guard let certificate = configuration.clientCertificate else { return }
        set(CURLOPT_SSLCERT, certificate)
        set(CURLOPT_SSLKEY, configuration.clientKey ?? certificate)
    }

    /// Adds a line to the fields of the request: `Name: value`, `Name;` for an empty value, `Name:` to send none.
    func addField(_ line: UnsafePointer<CChar>) {
        guard let longer = curl_slist_append(fields, line) else { return note(CURLE_OUT_OF_MEMORY) }
        fields = longer
    }

    /// Makes libcurl send the fields that were added.
    func useFields() { set(CURLOPT_HTTPHEADER, UnsafeRawPointer(fields)) }

    // Setting an option fails for lack of memory, or where libcurl was built without it: then the job must not
    // start, because what was left out may be a limit. The first failure is kept.
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
        // libcurl keeps 32 bits; 24 days are as good as more.
        return min(Int(clamping: min(seconds, 1_000_000_000) * 1000 + rest), Int(Int32.max))
    }
}
