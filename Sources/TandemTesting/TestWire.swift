internal import Glibc
internal import HTTPTypes
internal import HTTPWire
internal import Tandem

/// A request as bytes.
enum RequestBytes {
    static func of(
        _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields, _ body: TestBody?
    ) -> [UInt8] {
        var text = "\(method.rawValue) \(path) HTTP/1.1\r\n"
        if headers[HTTPField.Name("Host")!] == nil { text += "Host: test\r\n" }
        for field in headers { text += "\(field.name.rawName): \(field.value)\r\n" }
        switch body {
        case nil:
            if [.post, .put, .patch].contains(method), headers[.contentLength] == nil, headers[.transferEncoding] == nil {
                text += "Content-Length: 0\r\n"
            }
            return Array((text + "\r\n").utf8)
        case .bytes(let bytes):
            if headers[.contentLength] == nil { text += "Content-Length: \(bytes.count)\r\n" }
            return Array((text + "\r\n").utf8) + bytes
        case .chunks(let chunks):
            if headers[.transferEncoding] == nil { text += "Transfer-Encoding: chunked\r\n" }
            var bytes = Array((text + "\r\n").utf8)
            for chunk in chunks where !chunk.isEmpty {
                bytes += Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + [13, 10]
            }
            return bytes + Array("0\r\n\r\n".utf8)
        }
    }
}

/// Reads a response's head, line by line.
struct ResponseHeadReader {
    var response = TestResponse(status: .ok)
    private(set) var isHTTP10 = false
    private var isFirst = true

    /// Returns whether that was the end.
    mutating func add(_ line: String) throws -> Bool {
        if isFirst {
            isFirst = false
            try addStatusLine(line)
            return false
        }
        if line.isEmpty {
            let options = response.headers[.connection]?.lowercased().split(whereSeparator: { ", \t".contains($0) }) ?? []
            response.closes = options.contains("close") || isHTTP10 && !options.contains("keep-alive")
            return true
        }
        guard let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) else {
            throw TestClientError(.malformed, "this is no header field: \(line)")
        }
        var value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        while let last = value.last, last == " " || last == "\t" { value.removeLast() }
        response.headers.append(HTTPField(name: name, value: String(value)))
        return false
    }

    private mutating func addStatusLine(_ line: String) throws {
        let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", parts[1].count == 3, let code = Int(parts[1])
        else { throw TestClientError(.malformed, "this is no status line: \(line)") }
        isHTTP10 = parts[0] == "HTTP/1.0"
        response.status = HTTPResponse.Status(code: code, reasonPhrase: parts.count > 2 ? String(parts[2]) : "")
    }
}

/// Takes a response's body out of what arrives: how long it is, RFC 9112, 6.3.
struct BodyReader {
    private var decoder: BodyDecoder
    /// Its end is the connection's.
    let endsWithConnection: Bool
    private var isDone = false

    init(_ head: ResponseHeadReader, answering method: HTTPRequest.Method) throws {
        let response = head.response
        var framing: BodyFraming?
        if method == .head || response.status.kind == .informational || [204, 304].contains(response.status.code) {
            framing = BodyFraming.none
        } else if let coding = response.headers[.transferEncoding] {
            guard coding.lowercased() == "chunked" else {
                throw TestClientError(.malformed, "Transfer-Encoding: \(coding)")
            }
            framing = .chunked
        } else if let text = response.headers[.contentLength] {
            guard let length = Int(text), length >= 0 else { throw TestClientError(.malformed, "Content-Length: \(text)") }
            framing = .length(length)
        }
        endsWithConnection = framing == nil
        decoder = BodyDecoder(framing: framing ?? .length(.max))
    }

    /// The same, at its end.
    init(done other: BodyReader) {
        self = other
        isDone = true
    }

    var isComplete: Bool { isDone || decoder.isComplete }

    var trailers: HTTPFields { decoder.trailers }

    /// How many of these bytes were used, and which of them are body.
    mutating func decode(_ bytes: RawSpan) throws(HTTPParseError) -> (used: Int, piece: Range<Int>?) {
        let step = try decoder.decode(bytes)
        if case .data(let range) = step.outcome { return (step.consumed, range) }
        return (step.consumed, nil)
    }
}

/// Sends FIN.
func shutDownSending(_ descriptor: Descriptor) { shutdown(descriptor.fd, CInt(SHUT_WR)) }

/// Has closing send RST.
func resetOnClose(_ descriptor: Descriptor) {
    var option = linger(l_onoff: 1, l_linger: 0)
    setsockopt(descriptor.fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
}
