internal import CCurl

/// libcurl's own start, once a process.
enum CurlGlobal {
    /// Throws `unavailable` when libcurl cannot be initialized.
    static func start() throws(FetchError) {
        guard started == CURLE_OK else {
            throw FetchError(.unavailable, "libcurl could not be initialized", curlCode: Int32(started.rawValue))
        }
    }

    private static let started = curl_global_init(Int(CURL_GLOBAL_ALL))
}
