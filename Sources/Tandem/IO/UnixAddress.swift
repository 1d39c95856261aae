/// The address of a unix socket, unix(7).
public enum UnixAddress: Hashable, Sendable, CustomStringConvertible {
    /// A path in the file system, 1 to 107 bytes.
    case path(String)
    /// A name in Linux's abstract namespace, at most 107 bytes, without the leading zero byte. It has no file, and no permissions.
    case abstract(String)
    /// No address, as most clients have.
    case unnamed

    /// `unix:/run/x.sock`, `unix:@name` for an abstract name, or "unix".
    public var description: String {
        switch self {
        case .path(let path): "unix:\(path)"
        case .abstract(let name): "unix:@\(name)"
        case .unnamed: "unix"
        }
    }

    init(_ address: SocketAddress?) {
        guard case .unix(let name)? = address, let first = name.first else {
            self = .unnamed
            return
        }
        let text = String(decoding: first == 0 ? name.dropFirst() : name[...], as: UTF8.self)
        self = first == 0 ? .abstract(text) : .path(text)
    }

    /// The address for system calls. Throws `TandemError` with `code` if it is too long, empty or unnamed.
    func socketAddress(or code: TandemError.Code) throws(TandemError) -> SocketAddress {
        let found: SocketAddress? =
            switch self {
            case .path(let path): SocketAddress(unixPath: path)
            case .abstract(let name): SocketAddress(abstractName: name.utf8)
            case .unnamed: nil
            }
        guard let found else {
            throw TandemError(
                code,
                """
                \(self): the path of a unix socket has 1 to \(SocketAddress.longestPath) bytes and no zero byte, and an abstract \
                name at most \(SocketAddress.longestPath) bytes
                """)
        }
        return found
    }
}
