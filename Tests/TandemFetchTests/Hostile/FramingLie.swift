/// A response with a malformed status line, fields or chunks.
struct FramingLie: Sendable, CustomStringConvertible {
    /// The name of the fault.
    let name: String
    /// Whether a client may still accept the response, provided it reads the right body.
    let mayBeRead: Bool
    /// Whether no client may use the connection again.
    let isLast: Bool
    /// Whether a client may return bytes that are not part of the body before it finds the fault.
    let spoilsBody: Bool
    private let statusLine: String
    /// The framing fields, with the length of the body in place of `N`, and of one byte less in place of `M`.
    private let fields: String
    private let payload: @Sendable ([UInt8]) -> [UInt8]

    private init(
        _ name: String, _ fields: String, statusLine: String = "HTTP/1.1 200 OK\r\n", mayBeRead: Bool = false,
        isLast: Bool? = nil, spoilsBody: Bool = false, payload: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 }
    ) {
        (self.name, self.mayBeRead, self.statusLine, self.fields) = (name, mayBeRead, statusLine, fields)
        (self.isLast, self.spoilsBody) = (isLast ?? !mayBeRead, spoilsBody)
        self.payload = payload
    }

    var description: String { name }

    /// The response with this body, which has at least two bytes.
    func bytes(_ exchange: Int, _ body: [UInt8]) -> [UInt8] {
        var fields: [UInt8] = []
        for character in self.fields.utf8 {
            switch character {
            case UInt8(ascii: "N"): fields += "\(body.count)".utf8
            case UInt8(ascii: "M"): fields += "\(body.count - 1)".utf8
            default: fields.append(character)
            }
        }
        let head = Array(statusLine.utf8) + fields + Array("X-Exchange: \(exchange)\r\n\r\n".utf8)
        return head + payload(body)
    }

    /// All malformed lengths.
    static let lengths: [FramingLie] = [
        FramingLie("two different lengths, the longer first", "content-length: N\r\ncontent-length: M\r\n"),
        FramingLie("two different lengths, the shorter first", "content-length: M\r\ncontent-length: N\r\n"),
        FramingLie("two different lengths in one field", "content-length: N, M\r\n"),
        FramingLie("a length with a plus", "content-length: +N\r\n"),
        FramingLie("a negative length", "content-length: -N\r\n"),
        FramingLie("a hexadecimal length", "content-length: 0xN\r\n"),
        FramingLie("an empty length", "content-length:\r\n"),
        FramingLie("a length that is blank", "content-length: \t \r\n"),
        FramingLie("a length with a fraction", "content-length: N.0\r\n"),
        FramingLie("a length with an exponent", "content-length: Ne0\r\n"),
        FramingLie("a length above 64 bits", "content-length: 18446744073709551616\r\n"),
        FramingLie("a length above 63 bits", "content-length: 9223372036854775808\r\n"),
        FramingLie("a length with a blank inside", "content-length: 1 N\r\n"),
        FramingLie("a length with something behind it", "content-length: N;\r\n"),
        FramingLie("a length in quotes", "content-length: \"N\"\r\n"),
        FramingLie("a length with a NUL byte", "content-length: N\0\r\n"),
        FramingLie("a length folded into another", "content-length: N\r\n N\r\n"),
        FramingLie("a length and one that is no number", "content-length: N\r\ncontent-length: x\r\n"),
    ]

    /// Transfer codings that the client does not know, or that do not mark the end.
    static let codings: [FramingLie] = [
        FramingLie("the transfer coding identity", "transfer-encoding: identity\r\n"),
        FramingLie("the transfer coding identity beside a length", "transfer-encoding: identity\r\ncontent-length: N\r\n"),
        FramingLie("the transfer coding gzip", "transfer-encoding: gzip\r\n"),
        FramingLie("the transfer coding gzip beside a length", "transfer-encoding: gzip\r\ncontent-length: N\r\n"),
        FramingLie("gzip under chunked", "transfer-encoding: gzip, chunked\r\n", payload: chunked),
        FramingLie("gzip over chunked", "transfer-encoding: chunked, gzip\r\n", payload: chunked),
        FramingLie("chunked twice", "transfer-encoding: chunked, chunked\r\n", payload: chunked),
        FramingLie("chunked in two fields", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", payload: chunked),
        FramingLie("a coding with a name like chunked", "transfer-encoding: xchunked\r\n", payload: chunked),
        FramingLie("chunked with a NUL byte", "transfer-encoding: chunked\0\r\n", payload: chunked),
    ]

    /// Chunks that are malformed.
    static let chunks: [FramingLie] = [
        chunk("a size that is no number", "xyz"), chunk("an empty size", ""), chunk("a negative size", "-S"),
        chunk("a size with a plus", "+S"), chunk("a size with 0x", "0xS"), chunk("a size with a blank inside", "S S"),
        chunk("a size above 64 bits", "1P"), chunk("a size above 63 bits", "8000000000000000"),
        chunk("a size with a comma", "S,"),
        chunk("a chunk longer than its size", "S") { $0 + [0x21] },
        chunk("a chunk shorter than its size", "S", spoilsBody: true) { $0.dropLast() },
        FramingLie("no line end after a chunk", "transfer-encoding: chunked\r\n") { body in
            Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("0\r\n\r\n".utf8)
        },
    ]

    /// Status lines that are not HTTP/1, and a response that is not final.
    static let statusLines: [FramingLie] = [
        status("a status with a letter", "HTTP/1.1 2x0 OK\r\n"), status("a status of two digits", "HTTP/1.1 20 OK\r\n"),
        status("a status of four digits", "HTTP/1.1 2000 OK\r\n"), status("another version", "HTTP/9.9 200 OK\r\n"),
        status("another protocol", "ICY 200 OK\r\n"), status("no blank after the version", "HTTP/1.1200 OK\r\n"),
        status("no status line", ""), status("bytes before the status line", "stray HTTP/1.1 200 OK\r\n"),
        status("a change of protocol that nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n"),
    ]

    /// Faults that some clients tolerate.
    static let tolerable: [FramingLie] = [
        FramingLie("equal lengths in one field", "content-length: N, N\r\n", mayBeRead: true),
        FramingLie(
            "a length and chunks", "content-length: M\r\ntransfer-encoding: chunked\r\n", mayBeRead: true, isLast: true,
            payload: chunked),
        FramingLie(
            "chunks and a length", "transfer-encoding: chunked\r\ncontent-length: M\r\n", mayBeRead: true, isLast: true,
            payload: chunked),
        FramingLie(
            "chunks in HTTP/1.0", "transfer-encoding: chunked\r\n", statusLine: "HTTP/1.0 200 OK\r\n", mayBeRead: true,
            isLast: true, payload: chunked),
        FramingLie("chunked on a folded line", "transfer-encoding:\r\n chunked\r\n", mayBeRead: true, payload: chunked),
        FramingLie("a length on a folded line", "content-length:\r\n N\r\n", mayBeRead: true),
        FramingLie("a blank before the colon", "content-length : N\r\n", mayBeRead: true),
        FramingLie("a line without a colon", "nonsense\r\ncontent-length: N\r\n", mayBeRead: true),
        FramingLie("a NUL byte in a field", "x-nul: a\0b\r\ncontent-length: N\r\n", mayBeRead: true),
        FramingLie("a bare CR in a field", "x-cr: a\rb\r\ncontent-length: N\r\n", mayBeRead: true),
        FramingLie("a bare LF as line end", "x-lf: a\ncontent-length: N\r\n", mayBeRead: true),
        FramingLie(
            "a blank before the first field", " x-blank: a\r\ncontent-length: N\r\n", mayBeRead: true),
        FramingLie(
            "an empty line before the answer", "content-length: N\r\n", statusLine: "\r\nHTTP/1.1 200 OK\r\n", mayBeRead: true),
        FramingLie("no reason phrase and no blank", "content-length: N\r\n", statusLine: "HTTP/1.1 200\r\n", mayBeRead: true),
        FramingLie("chunk sizes that end in a bare LF", "transfer-encoding: chunked\r\n", mayBeRead: true) { body in
            Array("\(String(body.count, radix: 16))\n".utf8) + body + Array("\r\n0\n\r\n".utf8)
        },
    ]

    /// All faults that must be refused.
    static let refused = lengths + codings + chunks + statusLines

    private static func chunked(_ body: [UInt8]) -> [UInt8] {
        Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8)
    }

    /// One chunk with this line, where `S` stands for its size, and `P` for its size in 16 digits.
    private static func chunk(
        _ name: String, _ line: String, spoilsBody: Bool = false, _ change: @escaping @Sendable ([UInt8]) -> [UInt8] = { $0 }
    ) -> FramingLie {
        FramingLie(name, "transfer-encoding: chunked\r\n", spoilsBody: spoilsBody) { body in
            let size = String(body.count, radix: 16)
            let padded = String(repeating: "0", count: 16 - size.count) + size
            let line = line.map { $0 == "S" ? size : $0 == "P" ? padded : String($0) }.joined()
            return Array("\(line)\r\n".utf8) + change(body) + Array("\r\n0\r\n\r\n".utf8)
        }
    }

    private static func status(_ name: String, _ line: String) -> FramingLie {
        FramingLie(name, "content-length: N\r\n", statusLine: line)
    }
}
