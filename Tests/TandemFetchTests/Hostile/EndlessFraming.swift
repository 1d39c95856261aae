/// A part of a response's framing that never ends.
enum EndlessFraming: String, CaseIterable, Sendable {
    case statusLine = "a status line"
    case headerLine = "a header line"
    case headerLines = "header lines"
    case interimAnswers = "interim answers"
    case chunkSize = "the digits of a chunk size"
    case chunkExtension = "a chunk extension"
    case chunkExtensions = "a chunk extension in each chunk"
    case trailerLine = "a trailer line"
    case trailerLines = "trailer lines"

    /// The bytes before the endless part.
    func opening(_ exchange: Int) -> [UInt8] {
        let chunked = "HTTP/1.1 200 OK\r\nX-Exchange: \(exchange)\r\nTransfer-Encoding: chunked\r\n\r\n"
        let text =
            switch self {
            case .statusLine: "HTTP/1.1 200 "
            case .headerLine: "HTTP/1.1 200 OK\r\nX-Long: "
            case .headerLines: "HTTP/1.1 200 OK\r\n"
            case .interimAnswers: ""
            case .chunkSize: chunked
            case .chunkExtension: chunked + "2;"
            case .chunkExtensions: chunked
            case .trailerLine: chunked + "2\r\nab\r\n0\r\nX-Long: "
            case .trailerLines: chunked + "2\r\nab\r\n0\r\n"
            }
        return Array(text.utf8)
    }

    /// The bytes that are repeated, about 64 KiB.
    var block: [UInt8] {
        let text =
            switch self {
            case .statusLine, .headerLine, .trailerLine: "abcdefgh"
            case .headerLines, .trailerLines: "X-More: abcdefgh\r\n"
            case .interimAnswers: "HTTP/1.1 102 Processing\r\n\r\n"
            case .chunkSize: "00000000"
            case .chunkExtension: "a=b;"
            case .chunkExtensions: "1;name=\(String(repeating: "v", count: 900))\r\nx\r\n"
            }
        let unit = Array(text.utf8)
        return Array(repeatElement(unit, count: 65_536 / unit.count).joined())
    }
}
