internal import Tandem

/// An address that a server listens on.
///
/// `init(_:)` parses these texts, and `description` returns them:
///
///     127.0.0.1:8080                          IPv4
///     [::1]:8443 tls                          IPv6, and TLS on it
///     unix:/run/tandemd/http.sock mode=660    a unix socket, whose file gets these permissions
///     systemd:http                            the sockets that systemd passed under this name
public struct ListenAddress: Hashable, Sendable {
    enum Place: Hashable {
        case tcp(host: String, port: Int)
        case unix(path: String, mode: UInt16)
        case inherited(name: String)
    }

    let place: Place
    /// Whether connections to the address use TLS, with the settings in `HTTPServerConfiguration.tls`.
    public let isTLS: Bool

    /// Returns the address of a TCP port.
    ///
    /// - Parameters:
    ///   - host: A numeric IPv4 or IPv6 address, or "localhost" (which is 127.0.0.1). "::" means every IPv6 address of the
    ///     machine, and no IPv4 address: the server always sets IPV6_V6ONLY, so no peer has an IPv4-mapped IPv6 address. To
    ///     listen on both, list "0.0.0.0" too, with the same port.
    ///   - port: The port, 0 to 65,535. With 0 the kernel chooses one.
    ///   - tls: Whether connections use TLS.
    public static func tcp(_ host: String, port: Int, tls: Bool = false) -> ListenAddress {
        ListenAddress(place: .tcp(host: host, port: port), isTLS: tls)
    }

    /// The permissions of a unix socket's file unless its address names others: 0660.
    public static let usualMode: UInt16 = 0o660

    /// Returns the address of a unix socket, unix(7).
    ///
    /// The server replaces a socket file that a killed process left behind. It does not start if another process listens on the
    /// file. It removes the file when it stops.
    ///
    /// - Parameters:
    ///   - path: The path of the socket file, at most 107 bytes. Its directory must exist.
    ///   - mode: The permissions of the file. A process that may write to the file may connect. By default these are processes
    ///     of the owner and the group; a proxy in front of the server gets access through the group.
    public static func unix(_ path: String, mode: UInt16 = usualMode) -> ListenAddress {
        ListenAddress(place: .unix(path: path, mode: mode), isTLS: false)
    }

    /// Returns the address of the listening sockets that a service manager such as systemd passed to this process under a name
    /// (sd_listen_fds(3)).
    ///
    /// - Parameters:
    ///   - name: The value of `FileDescriptorName=` in the socket unit, by default the name of the unit.
    ///   - tls: Whether connections use TLS.
    public static func inherited(_ name: String, tls: Bool = false) -> ListenAddress {
        ListenAddress(place: .inherited(name: name), isTLS: tls)
    }

    /// Parses the text of an address; see `ListenAddress` for the syntax. Returns nil for any other text.
    public init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: false)
        let isTLS = words.last == "tls" && words.count == 2
        if words[0].hasPrefix("unix:") {
            // A path may have spaces; only the last word can be the mode. A unix socket has no TLS.
            guard words.last != "tls" else { return nil }
            var path = text.dropFirst(5)
            var mode = ListenAddress.usualMode
            if let last = words.last, words.count > 1, last.hasPrefix("mode=") {
                guard let given = ListenAddress.mode(last.dropFirst(5)) else { return nil }
                mode = given
                path = path.dropLast(last.count + 1)
            }
            guard path.first == "/" || path.first == ".", path.utf8.count <= 107 else { return nil }
            self = .unix(String(path), mode: mode)
        } else if words.count > (isTLS ? 2 : 1) {
            return nil
        } else if words[0].hasPrefix("systemd:") {
            let name = words[0].dropFirst(8)
            guard !name.isEmpty, !name.contains(":") else { return nil }
            self = .inherited(String(name), tls: isTLS)
        } else {
            guard let colon = words[0].lastIndex(of: ":"),
                let port = ListenAddress.port(words[0][words[0].index(after: colon)...])
            else { return nil }
            var host = words[0][..<colon]
            if host.first == "[", host.last == "]" {
                host = host.dropFirst().dropLast()
                guard host.contains(":") else { return nil }
            } else if host.contains(":") {
                return nil
            }
            guard SocketEndpoint(listeningHost: String(host), port: port) != nil else { return nil }
            self = .tcp(String(host), port: port, tls: isTLS)
        }
    }

    private init(place: Place, isTLS: Bool) {
        self.place = place
        self.isTLS = isTLS
    }

    /// The port of a TCP address; nil for any other address.
    public var port: Int? {
        if case .tcp(_, let port) = place { port } else { nil }
    }

    /// The host of a TCP address; nil for any other address.
    public var host: String? {
        if case .tcp(let host, _) = place { host } else { nil }
    }

    /// The path of a unix socket; nil for any other address.
    public var path: String? {
        if case .unix(let path, _) = place { path } else { nil }
    }

    /// The address for messages, as a URL if it has one: "https://[::1]:8443", "unix:/run/tandemd/http.sock", "systemd:https
    /// tls".
    public var url: String {
        switch place {
        case .tcp(let host, let port): "\(isTLS ? "https" : "http")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .unix(let path, _): "unix:\(path)"
        case .inherited: description
        }
    }

    /// Returns whether both are the same port of the same host, the same socket file or the same inherited sockets.
    package func isSamePlace(as other: ListenAddress) -> Bool {
        switch (place, other.place) {
        case (.unix(let path, _), .unix(let otherPath, _)): path == otherPath
        case let (one, another): one == another
        }
    }

    private static func port(_ digits: Substring) -> Int? {
        guard (1...5).contains(digits.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(digits).flatMap { $0 <= 65_535 ? $0 : nil }
    }

    private static func mode(_ digits: Substring) -> UInt16? {
        guard (3...4).contains(digits.count), digits.first != "+" else { return nil }
        return UInt16(digits, radix: 8).flatMap { $0 <= 0o777 ? $0 : nil }
    }
}

extension ListenAddress: CustomStringConvertible {
    /// The text of the address, which `init(_:)` parses.
    public var description: String {
        let text =
            switch place {
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            case .unix(let path, let mode): "unix:\(path)" + (mode == Self.usualMode ? "" : " mode=\(String(mode, radix: 8))")
            case .inherited(let name): "systemd:\(name)"
            }
        return isTLS ? text + " tls" : text
    }
}
