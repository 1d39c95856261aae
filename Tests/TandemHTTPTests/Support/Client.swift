import Glibc

enum ClientError: Error, Equatable {
    case timedOut
    /// The connection ended: in order, or by a reset.
    case ended(reset: Bool)
    case malformed(String)
    case systemCall(String, CInt)
}

/// A client that knows no more HTTP than it needs: a blocking socket, bytes out, answers in.
final class Client: @unchecked Sendable {
    private(set) var fd: CInt
    // What has arrived; from `start` on it is not yet part of an answer.
    private var buffer: [UInt8] = []
    private var start = 0
    /// TLS, once `startTLS` has been called.
    private(set) var tls: TLSClientEnd?

    /// Takes a connected socket over.
    init(connected fd: CInt, timeout: Int = 10) {
        self.fd = fd
        set(SO_RCVTIMEO, timeval(tv_sec: timeout, tv_usec: 0))
        set(SO_SNDTIMEO, timeval(tv_sec: timeout, tv_usec: 0))
    }

    /// Connects to 127.0.0.1, from any address of this machine. Small buffers make backpressure visible early.
    init(
        port: Int, from source: String? = nil, receiveBuffer: CInt? = nil, sendBuffer: CInt? = nil, timeout: Int = 10
    ) throws {
        fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw ClientError.systemCall("socket", errno) }
        if let receiveBuffer { set(SO_RCVBUF, receiveBuffer) }
        if let sendBuffer { set(SO_SNDBUF, sendBuffer) }
        set(SO_RCVTIMEO, timeval(tv_sec: timeout, tv_usec: 0))
        set(SO_SNDTIMEO, timeval(tv_sec: timeout, tv_usec: 0))
        var on: CInt = 1
        setsockopt(fd, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        var failed: CInt = 0
        if let source { failed = Self.withAddress(source, 0) { bind(fd, $0, $1) } }
        if failed == 0 { failed = Self.withAddress("127.0.0.1", port) { connect(fd, $0, $1) } }
        guard failed == 0 else {
            let error = errno
            Glibc.close(fd)
            fd = -1
            throw ClientError.systemCall("connect", error)
        }
    }

    deinit { close() }

    private static func withAddress(_ host: String, _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr(host)
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    private func set<Value: BitwiseCopyable>(_ option: CInt, _ value: Value) {
        var value = value
        setsockopt(fd, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<Value>.size))
    }

    // MARK: TLS

    /// Goes through a handshake. Throws `TLSClientError` when one side would not have the other.
    @discardableResult
    func startTLS(_ options: TLSClientOptions = TLSClientOptions()) throws -> TLSClientEnd {
        let end = TLSClientEnd(options)
        var isOver = false
        while !isOver {
            do { isOver = try end.advanceHandshake() } catch {
                try? sendAsItIs(end.taken())
                throw error
            }
            try sendAsItIs(end.taken())
            if isOver { break }
            guard try receive() else { throw ClientError.ended(reset: false) }
            end.take(buffer[start...])
            start = buffer.count
        }
        tls = end
        return end
    }

    // MARK: Ending

    func close() {
        if fd >= 0 { Glibc.close(fd) }
        fd = -1
    }

    /// Sends FIN, and goes on reading.
    func halfClose() { shutdown(fd, CInt(SHUT_WR)) }

    /// Ends with RST.
    func reset() {
        set(SO_LINGER, linger(l_onoff: 1, l_linger: 0))
        close()
    }

    // MARK: Sending

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: some Collection<UInt8>) throws {
        let bytes = try tls?.seal(Array(bytes)) ?? Array(bytes)
        try sendAsItIs(bytes)
    }

    func sendAsItIs(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count { sent += try sendSome(bytes[sent...]) }
    }

    /// Sends what the kernel takes before the timeout.
    private func sendSome(_ bytes: ArraySlice<UInt8>, flags: CInt = 0) throws -> Int {
        let put = bytes.withUnsafeBytes { Glibc.send(fd, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL) | flags) }
        if put > 0 { return put }
        switch errno {
        case EAGAIN: throw ClientError.timedOut
        case EPIPE, ECONNRESET: throw ClientError.ended(reset: true)
        case let error: throw ClientError.systemCall("send", error)
        }
    }

    /// Sends until the kernel takes no more at once and has not for a while; returns how much it took.
    func sendUntilBlocked(_ bytes: [UInt8], quietMilliseconds: Int = 200) throws -> Int {
        var sent = 0
        while sent < bytes.count {
            var poller = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
            guard poll(&poller, 1, CInt(quietMilliseconds)) > 0 else { return sent }
            do { sent += try sendSome(bytes[sent...], flags: CInt(MSG_DONTWAIT)) } catch ClientError.timedOut {}
        }
        return sent
    }

    // MARK: Receiving

    /// Reads more into the buffer; false at the end.
    @discardableResult
    func receive() throws -> Bool {
        if start == buffer.count || start > 1 << 20 {
            buffer.removeFirst(start)
            start = 0
        }
        if tls?.hasEnded == true { return false }
        var error: CInt = 0
        var sealed: [UInt8] = []
        let got = withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 1) { bytes in
            let got = Glibc.recv(fd, bytes.baseAddress, bytes.count, 0)
            error = errno
            if got > 0, tls == nil { buffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[..<got])) }
            if got > 0, tls != nil { sealed = Array(bytes[..<got]) }
            return got
        }
        if got >= 0 {
            guard let tls else { return got > 0 }
            let opened = try tls.open(sealed)
            buffer += opened
            return !opened.isEmpty || got > 0 && !tls.hasEnded
        }
        switch error {
        case EAGAIN: throw ClientError.timedOut
        case ECONNRESET: throw ClientError.ended(reset: true)
        default: throw ClientError.systemCall("recv", error)
        }
    }

    /// Whether something arrives, or the connection ends, within this time.
    func hears(withinMilliseconds milliseconds: Int) -> Bool {
        if start < buffer.count { return true }
        var poller = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return poll(&poller, 1, CInt(milliseconds)) > 0
    }

    /// All that comes until the connection ends, in order.
    func rest() throws -> [UInt8] {
        while try receive() {}
        return try take(buffer.count - start)
    }

    /// What comes until the connection is cut, in order or by a reset.
    func untilCut() throws -> [UInt8] {
        do { while try receive() {} } catch ClientError.ended(reset: true) {}
        return try take(buffer.count - start)
    }

    /// Whether the connection ends in order with nothing more on it.
    func isAtEnd() throws -> Bool { try rest().isEmpty }

    /// The byte that far ahead.
    private func byte(_ index: Int) throws -> UInt8 {
        while start + index >= buffer.count {
            guard try receive() else { throw ClientError.ended(reset: false) }
        }
        return buffer[start + index]
    }

    /// A line without its CRLF.
    private func line() throws -> String {
        var end = 0
        while try byte(end) != 10 { end += 1 }
        let line = try take(end + 1)
        guard end > 0, line[end - 1] == 13 else { throw ClientError.malformed("a line ends without CR") }
        return String(decoding: line[..<(end - 1)], as: UTF8.self)
    }

    private func take(_ count: Int) throws -> [UInt8] {
        if count > 0 { _ = try byte(count - 1) }
        defer { start += count }
        return Array(buffer[start..<(start + count)])
    }

    /// The next answer, also an interim one. `toHead`: it answers HEAD and has no body.
    func answer(toHead: Bool = false) throws -> Answer {
        var answer = try head()
        if toHead || answer.status < 200 || answer.status == 204 || answer.status == 304 { return answer }
        if answer["transfer-encoding"] == "chunked" {
            while let chunk = try chunk() {
                answer.chunks.append(chunk.count)
                answer.body += chunk
            }
        } else if let length = answer["content-length"] {
            guard let length = Int(length), length >= 0 else { throw ClientError.malformed("Content-Length: \(length)") }
            answer.body = try take(length)
        } else {
            answer.body = try rest()
        }
        return answer
    }

    /// Status line and fields.
    func head() throws -> Answer {
        let start = try line()
        let parts = start.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "HTTP/1.1", let status = Int(parts[1]) else { throw ClientError.malformed(start) }
        var answer = Answer(status: status)
        while true {
            let field = try line()
            if field.isEmpty { return answer }
            guard let colon = field.firstIndex(of: ":") else { throw ClientError.malformed(field) }
            let value = field[field.index(after: colon)...].drop { $0 == " " }
            answer.fields.append((field[..<colon].lowercased(), String(value)))
        }
    }

    /// One chunk, or nil for the last one.
    func chunk() throws -> [UInt8]? {
        let text = try line()
        guard let size = Int(text, radix: 16) else { throw ClientError.malformed("chunk size \(text)") }
        let content = try take(size)
        guard try take(2) == [13, 10] else { throw ClientError.malformed("no CRLF after a chunk of \(size)") }
        return size == 0 ? nil : content
    }
}

/// An answer as it came over the wire.
struct Answer {
    var status: Int
    /// Names in lower case.
    var fields: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// The sizes of the chunks it came in.
    var chunks: [Int] = []

    init(status: Int) { self.status = status }

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The values of a field, joined; nil when there is none.
    subscript(name: String) -> String? {
        let values = fields.filter { $0.name == name }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }

    var closes: Bool { self["connection"] == "close" }
}
