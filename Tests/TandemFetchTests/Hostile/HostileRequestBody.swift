/// Decodes the body of one request from a connection's bytes.
struct HostileRequestBody {
    private enum Phase {
        /// This many bytes of content are next; `isLast` if nothing follows them.
        case content(Int, isLast: Bool)
        case chunkSize
        case chunkEnd
        case trailers
        case over
    }

    private var phase: Phase
    /// The content so far.
    private(set) var content: [UInt8] = []

    init(_ request: HostileRequest) {
        if request["transfer-encoding"] == "chunked" {
            phase = .chunkSize
        } else if let length = request["content-length"].flatMap({ Int($0) }), length > 0 {
            phase = .content(length, isLast: true)
        } else {
            phase = .over
        }
    }

    var isOver: Bool { if case .over = phase { true } else { false } }

    /// Removes the body's bytes from the front of `bytes`. Returns false if they are malformed; then `bytes` begins with
    /// the malformed line.
    mutating func take(from bytes: inout [UInt8]) -> Bool {
        var rest = bytes[...]
        defer { bytes = Array(rest) }
        while true {
            let before = rest
            switch phase {
            case .over: return true
            case .content(let left, let isLast):
                let piece = rest.prefix(left)
                content += piece
                rest = rest.dropFirst(piece.count)
                guard piece.count == left else {
                    phase = .content(left - piece.count, isLast: isLast)
                    return true
                }
                phase = isLast ? .over : .chunkEnd
            case .chunkSize:
                guard let line = Self.line(&rest) else { return rest.count < 32 }
                guard let size = Int(String(decoding: line, as: UTF8.self), radix: 16), size >= 0 else {
                    rest = before
                    return false
                }
                phase = size == 0 ? .trailers : .content(size, isLast: false)
            case .chunkEnd:
                guard let line = Self.line(&rest) else { return rest.count < 2 }
                guard line.isEmpty else {
                    rest = before
                    return false
                }
                phase = .chunkSize
            case .trailers:
                guard let line = Self.line(&rest) else { return true }
                if line.isEmpty { phase = .over }
            }
        }
    }

    /// Removes a line from `bytes`. Returns it without its CRLF; nil if there is no whole line.
    private static func line(_ bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let end = bytes.firstIndex(of: 0x0a), end > bytes.startIndex, bytes[end - 1] == 0x0d else { return nil }
        defer { bytes = bytes[(end + 1)...] }
        return bytes[..<(end - 1)]
    }
}
