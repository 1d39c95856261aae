internal import TandemFetch

/// Where the admin listener is: `127.0.0.1:8081`, `[::1]:8081`, `localhost:8081`.
public struct AdminAddress: Sendable, Hashable, CustomStringConvertible {
    /// A numeric address, or "localhost".
    public let host: String
    /// 0 lets the kernel choose.
    public let port: Int

    /// nil when it is none.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = wholeNumber(String(text[text.index(after: colon)...])),
            0...65_535 ~= port
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
        } else if host.contains(":") {
            return nil
        }
        guard host == "localhost" || IPAddress(host) != nil else { return nil }
        self.host = host
        self.port = port
    }

    /// Its text.
    public var description: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}
