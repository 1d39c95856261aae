internal import Tandem

/// A GET request over a unix socket.
enum UnixInquiry {
    /// Returns the status of the response. Throws `TandemError` if there is no response by the deadline. Must be called on a hub.
    static func status(of target: String, at path: String, _ deadline: Deadline) async throws -> Int {
        let stream = try await UnixStream.connect(path: path, deadline: deadline)
        defer { stream.close() }
        try await stream.write("GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", deadline: deadline)
        // "HTTP/1.1 200 OK"
        guard let line = try await stream.readLine(limit: 4_096, deadline: deadline), line.hasPrefix("HTTP/1."),
            let status = Int(line.dropFirst(9).prefix(3))
        else { throw TandemError(.closed, "the answer is no HTTP") }
        return status
    }
}
