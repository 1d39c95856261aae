import FuzzSupport
/// One final response, as read by a client that is independent of the server's code.
struct Answer {
    var status: Int
    var closes = false
}

/// Parses the whole output of a connection, and stops the process if it is malformed. `isCut`: the last response
/// is truncated.
func answers(in output: [UInt8], toHead: [Bool]) -> (answers: [Answer], isCut: Bool) {
    var reader = Reader(bytes: output)
    var answers: [Answer] = []
    while !reader.isAtEnd {
        let line = reader.line()
        let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "HTTP/1.1", words[1].utf8.count == 3, let status = Int(words[1]) else {
            fatalError("\(line) is no status line")
        }
        let fields = reader.fields()
        if status < 200 {
            require(status == 100 && fields.isEmpty, "an interim answer says more than 100 Continue")
            continue
        }
        func values(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }
        let (lengths, codings) = (values("content-length"), values("transfer-encoding"))
        require(values("date").count == 1, "no date, or several")
        require(lengths.count + codings.count <= 1, "two framings")
        let answer = Answer(status: status, closes: values("connection") == ["close"])
        let isToHead = answers.count < toHead.count && toHead[answers.count]
        answers.append(answer)
        if status == 204 || status == 304 {
            require(lengths.isEmpty && codings.isEmpty, "\(status) with framing")
        } else if !isToHead {
            if codings == ["chunked"] {
                if !reader.chunks() { return (answers, true) }
            } else if let length = lengths.first {
                guard let length = Int(length) else { fatalError("Content-Length: \(length)") }
                if !reader.skip(length) { return (answers, true) }
            } else {
                require(answer.closes, "a body without framing on a connection that goes on")
                return (answers, false)
            }
        }
    }
    return (answers, false)
}

/// Reads exactly what a server may write.
private struct Reader {
    let bytes: [UInt8]
    private var position = 0

    init(bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    /// Skips `count` bytes. Returns whether there are that many.
    mutating func skip(_ count: Int) -> Bool {
        require(count >= 0, "a negative length")
        guard count <= bytes.count - position else { return false }
        position += count
        return true
    }

    /// A line without its CRLF.
    mutating func line() -> String {
        guard let end = bytes[position...].firstIndex(of: 0x0A), end > position, bytes[end - 1] == 0x0D else {
            fatalError("an answer's line does not end with CRLF")
        }
        let line = bytes[position..<(end - 1)]
        require(line.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a control byte in a line")
        position = end + 1
        return String(decoding: line, as: UTF8.self)
    }

    mutating func fields() -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        while true {
            let line = line()
            if line.isEmpty { return fields }
            guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else {
                fatalError("\(line) is no field")
            }
            fields.append((line[..<colon].lowercased(), String(line[line.index(after: colon)...].drop { $0 == " " })))
        }
    }

    /// Returns whether the last chunk is there.
    mutating func chunks() -> Bool {
        while !isAtEnd {
            guard let size = Int(line(), radix: 16) else { fatalError("no chunk size") }
            guard skip(size), !isAtEnd else { return false }
            require(line().isEmpty, "a chunk is not as long as it says")
            if size == 0 { return true }
        }
        return false
    }
}
