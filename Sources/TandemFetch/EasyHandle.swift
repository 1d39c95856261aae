internal import CCurl
internal import CTandemCurl

/// libcurl's handle for one transfer at a time, and the memory that libcurl borrows for it.
final class EasyHandle {
    /// Bytes of a body that libcurl sends in one piece with the head.
    static let sentWithHead = 64 * 1024

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

    /// Forgets every option and what was borrowed; keeps TLS sessions.
    func reset() {
        curl_easy_reset(pointer)
        curl_slist_free_all(fields)
        fields = nil
        errorText.pointee = 0
        firstFailure = CURLE_OK
    }

    /// libcurl's sentence about what failed; may be empty.
    var errorDetail: String { String(cString: errorText) }

    /// Has libcurl write its sentence about a failure.
    func keepErrorDetail() { set(CURLOPT_ERRORBUFFER, UnsafeRawPointer(errorText)) }

    /// Adds a line to the fields of the request: `Name: value`, `Name;` for an empty value, `Name:` to send none.
    func addField(_ line: UnsafePointer<CChar>) {
        guard let longer = curl_slist_append(fields, line) else { return note(CURLE_OUT_OF_MEMORY) }
        fields = longer
    }

    /// Has libcurl send the fields that were added.
    func useFields() { set(CURLOPT_HTTPHEADER, UnsafeRawPointer(fields)) }

    // Setting an option fails for lack of memory, or where libcurl was built without it: then the transfer must not
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

    /// A string about the transfer, while the handle has not been used for another.
    func string(_ info: CURLINFO) -> String? { tandem_curl_get_string(pointer, info).map { String(cString: $0) } }

    /// A number about the transfer; nil when libcurl has none.
    func number(_ info: CURLINFO) -> Int? {
        let number = tandem_curl_get_offset(pointer, info)
        return number < 0 ? nil : Int(number)
    }
}
