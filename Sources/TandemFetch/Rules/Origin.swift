/// The origin of a URL (RFC 6454): scheme, host and port.
public struct Origin: Hashable, Sendable, CustomStringConvertible {
    /// A scheme that the client supports.
    public enum Scheme: String, CaseIterable, Sendable {
        /// HTTP without TLS, and HTTP over TLS.
        case http, https

        /// The port of a URL without a port: 80 or 443.
        public var defaultPort: Int { self == .http ? 80 : 443 }
    }

    /// The scheme.
    public let scheme: Scheme
    /// The host.
    public let host: URLHost
    /// The port, 1 to 65,535.
    public let port: Int

    /// Creates an origin.
    ///
    /// - Parameters:
    ///   - scheme: The scheme.
    ///   - host: The host.
    ///   - port: The port, or nil for the scheme's default port. It is not checked: an origin with a port out of range equals
    ///     that of no URL.
    public init(scheme: Scheme, host: URLHost, port: Int? = nil) {
        self.scheme = scheme
        self.host = host
        self.port = port ?? scheme.defaultPort
    }

    /// Parses an origin such as `https://api.example.com:8443`, as strictly as `FetchURL`. A slash at the end is allowed.
    /// Returns nil for any other text.
    public init?(_ text: String) {
        guard !text.utf8.contains(UInt8(ascii: "#")), let url = try? FetchURL(text), url.isOrigin else { return nil }
        self = url.origin
    }

    /// The canonical text, such as `https://api.example.com:8443`. It has no default port.
    public var description: String {
        "\(scheme.rawValue)://\(host)\(port == scheme.defaultPort ? "" : ":\(port)")"
    }
}
