internal import Glibc
internal import Tandem

/// A GET request over a unix socket.
enum UnixInquiry {
    /// Returns the status of the response. Throws `TandemError` if there is no response by the deadline. Must be called on a hub.
    static func status(of target: String, at path: String, _ deadline: Deadline) async throws -> Int {
        let descriptor = try connected(to: path)
        defer { descriptor.close() }
        let request = Array("GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
        // The send buffer of a new socket has room for the whole request.
        guard try request.withUnsafeBytes({ try descriptor.writeAvailable($0) }) == request.count else {
            throw TandemError(.closed, "the socket takes no request")
        }
        var answer: [UInt8] = []
        while answer.count < 12 {
            var piece = [UInt8](repeating: 0, count: 4_096)
            guard let got = try piece.withUnsafeMutableBytes({ try descriptor.readAvailable(into: $0) }) else {
                try await descriptor.wait(for: .readable, deadline: deadline)
                continue
            }
            guard got > 0 else { break }
            answer += piece[..<got]
        }
        // "HTTP/1.1 200"
        guard answer.starts(with: "HTTP/1.".utf8),
            let status = Int(String(decoding: answer.dropFirst(9).prefix(3), as: UTF8.self))
        else { throw TandemError(.closed, "the answer is no HTTP") }
        return status
    }

    private static func connected(to path: String) throws -> Descriptor {
        guard let address = SocketAddress(unixPath: path) else {
            throw TandemError(
                .invalidArgument, "the path of a unix socket has 1 to \(SocketAddress.longestPath) bytes, not \(path.utf8.count)")
        }
        let fd = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard fd >= 0 else { throw failure("socket") }
        let failed = address.withSockaddr { connect(fd, $0, $1) }
        do {
            guard failed == 0 else { throw failure("connect") }
            return try Descriptor(adopting: fd)
        } catch {
            close(fd)
            throw error
        }
    }

    private static func failure(_ call: String) -> TandemError {
        let error = errno
        return TandemError(.systemCall, "\(call): \(String(cString: strerror(error)))", errno: error)
    }
}
