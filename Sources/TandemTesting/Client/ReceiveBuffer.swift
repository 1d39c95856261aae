internal import HTTPWire

/// Bytes that have arrived and that no response has used.
struct ReceiveBuffer {
    private var bytes: [UInt8] = []
    private var start = 0

    var count: Int { bytes.count - start }
    var isEmpty: Bool { count == 0 }

    /// Adds bytes that have arrived.
    mutating func append(_ more: [UInt8]) {
        bytes.removeFirst(start)
        start = 0
        bytes += more
    }

    /// Removes the first bytes and returns them.
    mutating func take(_ count: Int) -> [UInt8] {
        defer { start += count }
        return Array(bytes[start..<(start + count)])
    }

    /// Returns the length of the first line with its LF, or nil. The first `seen` bytes have no LF.
    func lineLength(after seen: Int) -> Int? {
        bytes[(start + seen)...].firstIndex(of: 10).map { $0 + 1 - start }
    }

    /// Returns the length of the bytes up to and including `text`, or nil.
    func length(through text: [UInt8]) -> Int? { bytes[start...].firstRange(of: text).map { $0.upperBound - start } }

    /// Decodes unused bytes as a response's body. Returns a piece of it, if there is one.
    mutating func decode(with reader: inout BodyReader) throws(HTTPParseError) -> [UInt8]? {
        let (used, piece) = try reader.decode(bytes.span.bytes.extracting(start..<bytes.count))
        defer { start += used }
        return piece.map { Array(bytes[(start + $0.lowerBound)..<(start + $0.upperBound)]) }
    }
}
