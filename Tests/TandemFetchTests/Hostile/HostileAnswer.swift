/// The content of an exchange's messages. It differs between any two exchanges, and between any two places in one.
enum HostileContent {
    /// Returns `count` bytes for the exchange: blocks of 16 bytes with its number and their own.
    static func bytes(_ exchange: Int, _ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let digits = Array("0123456789abcdef".utf8)
            for index in 0..<count {
                let (block, place) = (index >> 4, index & 15)
                let byte: UInt8 =
                    switch place {
                    case 0..<8: digits[exchange >> (28 - 4 * place) & 15]
                    case 8: 0x2e
                    case 9..<15: digits[block >> (20 - 4 * (place - 9)) & 15]
                    default: 0x0a
                    }
                buffer[index] = byte
            }
            initialized = count
        }
    }
}

/// One well-formed response as bytes, with its relevant positions.
struct HostileAnswer: Sendable {
    /// How the body ends.
    enum Framing: String, CaseIterable, Sendable {
        case length, chunked, untilClose
        /// A response without a body: to HEAD, 204 or 304.
        case none
    }

    let status: Int
    let framing: Framing
    /// The body that the client must get.
    let body: [UInt8]
    /// The whole response, including interim responses.
    let bytes: [UInt8]
    /// Where the final head ends.
    let headEnd: Int
    /// Where the last byte of content ends, or the last chunk's line.
    let contentEnd: Int
    /// Whether the head says that the connection ends.
    let saysClose: Bool

    /// - Parameter headAlone: Whether this answers a HEAD request.
    init(_ exchange: Int, headAlone: Bool, _ random: inout HostileRandom) {
        let lengths = [0, 1, 15, 16, 17, 200, 1000, 1460, 5000, 16_384, 20_000]
        var length = random.pick(lengths) + random.below(50)
        // More than a stream holds, and more than a socket's buffer.
        if random.chance(15) { length = 300_000 + random.below(100_000) }
        status = random.pick([200, 200, 200, 200, 201, 202, 203, 301, 307, 400, 404, 404, 418, 429, 500, 502, 503, 204, 304])
        let isEmpty = headAlone || status == 204 || status == 304
        let declared = random.pick([Framing.length, .length, .chunked, .chunked, .untilClose])
        framing = isEmpty ? .none : declared
        body = isEmpty ? [] : HostileContent.bytes(exchange, length)
        saysClose = framing == .untilClose ? random.chance(500) : random.chance(100)
        var bytes: [UInt8] = []
        if random.chance(80) {
            for _ in 0...random.below(3) {
                let interim = random.pick([
                    "100 Continue\r\n", "102 Processing\r\n", "103 Early Hints\r\nLink: </a>\r\nX-Exchange: 0\r\n",
                ])
                bytes += "HTTP/1.1 \(interim)\r\n".utf8
            }
        }
        bytes += "HTTP/1.1 \(status) \(random.pick(["OK", "Not quite", ""]))\r\nX-Exchange: \(exchange)\r\n".utf8
        if random.chance(300) { bytes += "Date: Sat, 28 Nov 2026 12:00:00 GMT\r\nServer:hostile\r\nX-Empty:\r\n".utf8 }
        if saysClose { bytes += "Connection: \(random.pick(["close", "Close", "x, close"]))\r\n".utf8 }
        switch declared {
        case .length where status != 204: bytes += "Content-Length: \(length)\r\n".utf8
        case .chunked where status != 204: bytes += "\(random.pick(["Transfer-Encoding", "transfer-encoding"])): chunked\r\n".utf8
        default: break
        }
        bytes += "\r\n".utf8
        headEnd = bytes.count
        if framing == .chunked {
            bytes += HostileAnswer.chunks(of: body, &random)
            contentEnd = bytes.count
            if random.chance(200) { bytes += "X-Trailer: late\r\nX-Exchange-Too: \(exchange)\r\n".utf8 }
            bytes += "\r\n".utf8
        } else {
            bytes += body
            contentEnd = bytes.count
        }
        self.bytes = bytes
    }

    /// The chunks, with the last chunk's line.
    private static func chunks(of body: [UInt8], _ random: inout HostileRandom) -> [UInt8] {
        var (chunks, rest): ([UInt8], ArraySlice<UInt8>) = ([], body[...])
        let most = random.pick([1, 7, 100, 4096, 65_536])
        while !rest.isEmpty {
            // Chunks of a single byte occur only at the beginning.
            let piece = rest.prefix(chunks.count > 2000 ? 65_536 : 1 + random.below(most))
            rest = rest.dropFirst(piece.count)
            var size = String(piece.count, radix: 16, uppercase: random.chance(300))
            if random.chance(30) { size = "000" + size }
            if random.chance(30) { size += random.pick([";a=b", ";name", ";q=\"x;\\\"y\"", ";a=1;b=2"]) }
            chunks += "\(size)\r\n".utf8
            chunks += piece
            chunks += "\r\n".utf8
        }
        return chunks + (random.chance(50) ? "000\r\n" : "0\r\n").utf8
    }
}
