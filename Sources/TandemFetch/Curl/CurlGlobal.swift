internal import CCurl

/// The global initialization of libcurl, once per process.
enum CurlGlobal {
    /// Initializes libcurl on the first call. Throws `unavailable` if libcurl cannot be initialized.
    static func start() throws(FetchError) {
        guard started == CURLE_OK else {
            throw FetchError(.unavailable, "libcurl could not be initialized", curlCode: Int32(started.rawValue))
        }
    }

    private static let started = curl_global_init(Int(CURL_GLOBAL_ALL))
}
