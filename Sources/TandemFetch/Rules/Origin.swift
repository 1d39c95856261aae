/// The origin of a URL (RFC 6454): scheme, host and port.
public struct Origin: Hashable, Sendable, CustomStringConvertible {
    /// A scheme that a client fetches.
    public enum Scheme: String, CaseIterable, Sendable {
        case http, https

        /// The port of a URL that names none: 80 or 443.
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
    /// - Parameter port: The port; nil for the scheme's default. No URL has an origin with a port out of range.
    public init(scheme: Scheme, host: URLHost, port: Int? = nil) {
        self.scheme = scheme
        self.host = host
        self.port = port ?? scheme.defaultPort
    }

    /// Parses an origin such as `https://api.example.com:8443`, with or without a slash at its end, as strictly as `FetchURL`.
    /// Returns nil for any other text.
    public init?(_ text: String) {
        guard !text.utf8.contains(UInt8(ascii: "#")), let url = try? FetchURL(text), url.isOrigin else { return nil }
        self = url.origin
    }

    /// The canonical text, as in `https://api.example.com:8443`; without a default port.
    public var description: String {
        "\(scheme.rawValue)://\(host)\(port == scheme.defaultPort ? "" : ":\(port)")"
    }
}
