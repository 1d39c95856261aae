import Foundation

/// The end of a connection.
struct ConnectionEnded: Error {}

/// A connection, on a thread of its own: reads a request, answers it, and reads the next one.
final class Connection {
    let descriptor: Int32
    private let server: Server
    private let router: Router
    private var buffer: ArraySlice<UInt8> = []

    init(_ descriptor: Int32, _ server: Server, _ router: Router) {
        self.descriptor = descriptor
        self.server = server
        self.router = router
    }

    /// Serves the connection until it ends.
    func serve() {
        var isFirst = true
        do {
            while server.waits(self, isFirst: isFirst) {
                isFirst = false
                if buffer.isEmpty { try fill(within: 75) }
                server.works(self)
                guard try answer() else { break }
            }
        } catch {}
        linger()
        server.ended(self)
        close(descriptor)
    }

    /// Answers one request. Returns whether the connection can be kept.
    private func answer() throws -> Bool {
        let request: Request
        do {
            request = try readHead()
        } catch let error as HTTPError {
            try send(Response(status: error.status, json: ["error": error.message]), keeps: false, hasBody: true)
            return false
        }
        let asksToClose = request.headers["connection"]?.lowercased() == "close"
        var response: Response
        do {
            response = try router.respond(to: request)
        } catch let error where !(error is ConnectionEnded) {
            response = try Response(status: 500, json: ["error": "internal server error"])
        }
        // A short rest of the body is read, so that the connection can be kept.
        if !request.body.isComplete, response.status < 400 { while try request.body.read() != nil {} }
        let keeps = !asksToClose && request.body.isComplete && !server.isDraining
        try send(response, keeps: keeps, hasBody: request.method != "HEAD")
        return keeps
    }

    private func readHead() throws -> Request {
        var words = try line(upTo: 8_192).split(separator: " ", omittingEmptySubsequences: false)
        if words == [""] { words = try line(upTo: 8_192).split(separator: " ", omittingEmptySubsequences: false) }
        guard words.count == 3, words[2] == "HTTP/1.1", words[1].hasPrefix("/") else {
            throw HTTPError(400, "the request is malformed")
        }
        var headers: [String: String] = [:]
        while true {
            let field = try line(upTo: 8_192)
            if field.isEmpty { break }
            guard let colon = field.firstIndex(of: ":"), headers.count < 100 else {
                throw HTTPError(400, "a header field is malformed")
            }
            headers[field[..<colon].lowercased()] = field[field.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        guard headers["host"] != nil else { throw HTTPError(400, "Host is missing") }
        let parts = words[1].split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts[0].removingPercentEncoding else { throw HTTPError(400, "the path is malformed") }
        let pairs = (parts.count > 1 ? parts[1] : "").split(separator: "&").map { $0.split(separator: "=", maxSplits: 1) }
        let items = pairs.map { (String($0[0]), $0.count > 1 ? $0[1].removingPercentEncoding ?? "" : "") }
        let framing: RequestBody.Framing
        if headers["transfer-encoding"]?.lowercased() == "chunked" {
            framing = .chunked
        } else if let length = Int(headers["content-length"] ?? "0"), length >= 0 {
            framing = .length(length)
        } else {
            throw HTTPError(400, "Content-Length is malformed")
        }
        return Request(
            method: String(words[0]), path: path, items: Dictionary(items) { $1 }, headers: headers,
            body: RequestBody(self, framing, sendsContinue: headers["expect"]?.lowercased() == "100-continue"))
    }

    private func send(_ response: Response, keeps: Bool, hasBody: Bool) throws {
        var head = "HTTP/1.1 \(response.status) \(Response.reasons[response.status] ?? "")\r\n"
        for (name, value) in response.headers { head += "\(name): \(value)\r\n" }
        head += "Content-Length: \(response.length)\r\n\(keeps ? "" : "Connection: close\r\n")\r\n"
        switch response.body {
        case .bytes(let bytes): try write(Array(head.utf8) + (hasBody ? bytes : []))
        case .stream(_, let body):
            try write(Array(head.utf8))
            if hasBody { try body(self) }
        }
    }

    // MARK: Bytes

    /// Returns the next line, without its end.
    func line(upTo limit: Int) throws -> String {
        var searched = buffer.startIndex
        while true {
            if let end = buffer[searched...].firstIndex(of: 10) {
                let line = buffer[..<end]
                buffer = buffer[(end + 1)...]
                return String(decoding: line.last == 13 ? line.dropLast() : line, as: UTF8.self)
            }
            guard buffer.count <= limit else { throw HTTPError(431, "a line is too long") }
            let known = buffer.count
            try fill(within: 30)
            searched = buffer.startIndex + known
        }
    }

    /// Returns the next bytes.
    func take(upTo count: Int) throws -> [UInt8] {
        if buffer.isEmpty { try fill(within: 30) }
        defer { buffer = buffer.dropFirst(count) }
        return Array(buffer.prefix(count))
    }

    /// Writes all bytes.
    func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress! + sent, $0.count - sent, 0) }
            guard count > 0 else { throw ConnectionEnded() }
            sent += count
        }
    }

    private func fill(within seconds: Int) throws {
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let bytes = [UInt8](unsafeUninitializedCapacity: 65_536) { room, count in
            count = max(0, recv(descriptor, room.baseAddress, room.count, 0))
        }
        guard !bytes.isEmpty else { throw ConnectionEnded() }
        buffer = buffer.isEmpty ? bytes[...] : buffer + bytes
    }

    /// Sends the end, and reads what the client still sends, so that it gets the last answer.
    private func linger() {
        shutdown(descriptor, Int32(SHUT_WR))
        let end = Date() + 2
        buffer = []
        while Date() < end, (try? fill(within: 1)) != nil { buffer = [] }
    }
}
