/// Queries without the secrets that grant access to what they ask for, for logs and traces.
public enum QueryRedaction {
    /// What stands in the place of a secret.
    public static let placeholder = "REDACTED"

    /// The keys whose values are secrets: those that OpenTelemetry's conventions for URLs name (`url.query`), which are keys of
    /// signed URLs of the large clouds, and of AWS's newer signature.
    public static let sensitiveKeys: Set<String> = [
        "AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token",
    ]

    /// The query with each sensitive value replaced; all else as it is, keys included. Keys are compared decoded, and case counts.
    ///
    /// - Parameter query: As ``RequestHead/query`` gives it: percent-encoded, without its `?`.
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
