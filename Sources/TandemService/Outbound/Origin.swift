/// Scheme, host and port: whom a request goes to, whatever it asks for.
public struct Origin: Hashable, Sendable, CustomStringConvertible {
    /// A scheme that may be fetched.
    public enum Scheme: String, Sendable {
        case http, https

        /// The port of a URL that names none.
        public var defaultPort: Int { self == .http ? 80 : 443 }
    }

    /// http or https.
    public let scheme: Scheme
    /// Canonical.
    public let host: Host
    /// From 1 to 65535.
    public let port: Int

    /// An origin of these parts.
    public init(scheme: Scheme, host: Host, port: Int) {
        self.scheme = scheme
        self.host = host
        self.port = port
    }

    /// Reads `https://api.example.com:8443`, with or without a slash at its end; nil for anything more or else.
    public init?(_ text: String) {
        guard let url = try? OutboundURL(text), url.target == "/", !text.contains("#") else { return nil }
        self = url.origin
    }

    /// `https://api.example.com:8443`; a default port is left out.
    public var description: String {
        "\(scheme.rawValue)://\(host)\(port == scheme.defaultPort ? "" : ":\(port)")"
    }
}
