internal import Tandem
internal import TandemFetch
internal import TandemHTTP

/// A service that runs on this machine, at one of the addresses of its configuration. For commands that ask it something.
struct RunningService: Sendable {
    /// The time limit of an answer that takes the service no time.
    static let patience = Duration.seconds(2)
    /// The maximum length of an answer in bytes.
    private static let longestAnswer = 128 << 20

    private enum Address {
        /// The beginning of a URL.
        case origin(String)
        /// The path of a unix socket.
        case unix(String)
    }

    private let address: Address
    /// The token to send; nil for none.
    private let token: String?

    /// Creates the admin listener of the service that runs with this configuration. Blocks while it reads the token.
    ///
    /// - Throws: `DaemonError` if there is no admin listener, or a socket that the service inherits; `ConfigurationError` if the token
    ///   cannot be read.
    init(adminOf configured: Configured) throws {
        guard let address = configured.values.adminListen else {
            throw DaemonError("this command asks the admin listener, and none is configured: set admin.listen")
        }
        try self.init(at: address, token: try configured.adminToken())
    }

    /// Creates the service at an address.
    ///
    /// - Throws: `DaemonError` if the address is a socket that the service inherits.
    init(at address: ListenAddress, token: String? = nil) throws(DaemonError) {
        self.token = token
        if let path = address.path {
            self.address = .unix(path)
        } else if let host = address.host, let port = address.port {
            self.address = .origin("\(address.isTLS ? "https" : "http")://\(Self.reachable(host)):\(port)")
        } else {
            throw DaemonError(
                "\(address) is a socket that the service inherits: say where that is, as --url http://127.0.0.1:8080/healthz")
        }
    }

    /// Creates the service at an origin, such as http://127.0.0.1:8080.
    init(origin: String) {
        address = .origin(origin)
        token = nil
    }

    /// Returns the host to connect to: the loopback address if the service listens on every address.
    private static func reachable(_ host: String) -> String {
        switch host {
        case "0.0.0.0": "127.0.0.1"
        case "::": "[::1]"
        case let host: host.contains(":") ? "[\(host)]" : host
        }
    }

    /// The place of a target, for messages: a URL, or the path of a unix socket.
    func place(of target: String) -> String {
        switch address {
        case .origin(let origin): origin + target
        case .unix(let path): "unix:\(path)"
        }
    }

    /// Asks for a target. Certificates are not verified, because they do not name the loopback address. Blocks the calling thread,
    /// which becomes a hub for that time.
    ///
    /// - Throws: `DaemonError` if there is no answer with status 200 in time.
    @available(*, noasync)
    func get(_ target: String, within patience: Duration = patience) throws -> String {
        let place = place(of: target)
        return try Hub.run { [address, token] in
            let answer: (status: Int, text: String)
            do {
                switch address {
                case .origin(let origin): answer = try await Self.fetch(origin + target, token, within: patience)
                case .unix(let path): answer = try await Self.ask(target, token, at: path, within: patience)
                }
            } catch {
                throw DaemonError("\(place) does not answer: \(error)")
            }
            guard answer.status == 200 else {
                let hint =
                    answer.status == 404
                    ? ": if the daemon has an admin listener, this configuration must name it, and admin.dashboard must not be false"
                    : answer.text.isEmpty ? "" : ": \(answer.text)"
                throw DaemonError("\(place) answers \(answer.status)\(hint)")
            }
            return answer.text
        }
    }

    private static func fetch(
        _ url: String, _ token: String?, within patience: Duration
    ) async throws -> (status: Int, text: String) {
        var request = FetchRequest(url: url)
        request.deadline = .after(patience)
        if let token { request.headers[.authorization] = "Bearer \(token)" }
        var configuration = FetchConfiguration()
        configuration.verifiesCertificates = false
        configuration.maxResponseBytes = longestAnswer
        configuration.responseTimeout = nil
        let answer = try await FetchClient(configuration: configuration).execute(request)
        return (answer.status.code, answer.text)
    }

    /// Sends a GET request over a unix socket.
    private static func ask(
        _ target: String, _ token: String?, at path: String, within patience: Duration
    ) async throws -> (status: Int, text: String) {
        let deadline = Deadline.after(patience)
        let stream = try await UnixStream.connect(path: path, deadline: deadline)
        defer { stream.close() }
        let field = token.map { "Authorization: Bearer \($0)\r\n" } ?? ""
        try await stream.write(
            "GET \(target) HTTP/1.1\r\nHost: localhost\r\n\(field)Connection: close\r\n\r\n", deadline: deadline)
        // "HTTP/1.1 200 OK"
        guard let line = try await stream.readLine(limit: 4_096, deadline: deadline), line.hasPrefix("HTTP/1."),
            let status = Int(line.dropFirst(9).prefix(3))
        else { throw TandemError(.closed, "the answer is no HTTP") }
        var length = 0
        var isChunked = false
        while let field = try await stream.readLine(deadline: deadline)?.lowercased(), !field.isEmpty {
            if field.hasPrefix("content-length: ") { length = min(max(0, Int(field.dropFirst(16)) ?? 0), longestAnswer) }
            if field == "transfer-encoding: chunked" { isChunked = true }
        }
        guard isChunked else {
            return (status, String(decoding: try await stream.readExactly(length, deadline: deadline), as: UTF8.self))
        }
        var text: [UInt8] = []
        // The last chunk has the size 0. Without it the service has cut the answer, and reading throws.
        while true {
            let size = try await stream.readLine(limit: 64, deadline: deadline).flatMap { Int($0, radix: 16) }
            guard let size, 0...(longestAnswer - text.count) ~= size else { throw TandemError(.closed, "the answer was cut") }
            if size == 0 { break }
            text += try await stream.readExactly(size, deadline: deadline)
            _ = try await stream.readExactly(2, deadline: deadline)
        }
        return (status, String(decoding: text, as: UTF8.self))
    }
}
