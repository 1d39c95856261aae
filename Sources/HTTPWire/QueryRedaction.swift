/// Removal of secrets from queries, for logs and traces.
public enum QueryRedaction {
    /// The text that replaces a secret.
    public static let placeholder = "REDACTED"

    /// The keys whose values are secrets. They occur in the signed URLs of large cloud providers: the keys that OpenTelemetry's
    /// conventions list for `url.query`, and those of version 4 of AWS's signature.
    public static let sensitiveKeys: Set<String> = [
        "AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token",
    ]

    /// Returns the query with the value of each sensitive key replaced by ``placeholder``. Everything else is unchanged. Keys are
    /// decoded before they are compared, and the comparison is case-sensitive.
    ///
    /// - Parameter query: A percent-encoded query without its `?`, such as ``RequestHead/query``.
    public static func redacted(_ query: String) -> String {
        var result = ""
        var start = query.startIndex
        var copied = start
        while start < query.endIndex {
            let end = query.utf8[start...].firstIndex(of: UInt8(ascii: "&")) ?? query.endIndex
            if let equals = query.utf8[start..<end].firstIndex(of: UInt8(ascii: "=")), isSensitive(query[start..<equals]) {
                result += query[copied...equals] + placeholder
                copied = end
            }
            guard end < query.endIndex else { break }
            start = query.utf8.index(after: end)
        }
        return result.isEmpty ? query : result + query[copied...]
    }

    private static func isSensitive(_ key: Substring) -> Bool {
        PercentDecoding.decode(key, plusIsSpace: true).map(sensitiveKeys.contains) ?? false
    }
}
