/// The body of a request, read piece by piece from its connection.
final class RequestBody {
    enum Framing {
        case length(Int)
        case chunked
    }

    static let limit = 16 << 20
    private unowned let connection: Connection
    private let framing: Framing
    private var sendsContinue: Bool
    private var left: Int
    private var total = 0
    private(set) var isComplete = false

    init(_ connection: Connection, _ framing: Framing, sendsContinue: Bool) {
        self.connection = connection
        self.framing = framing
        self.sendsContinue = sendsContinue
        left = if case .length(let length) = framing { length } else { 0 }
        if case .length(0) = framing { isComplete = true }
    }

    /// Returns the next bytes, or nil at the end.
    func read() throws -> [UInt8]? {
        guard !isComplete else { return nil }
        if case .length(let length) = framing, length > Self.limit { throw tooLong }
        if sendsContinue {
            sendsContinue = false
            try connection.write(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        }
        if left == 0, case .chunked = framing {
            let size = try connection.line(upTo: 1_024)
            guard let count = Int(size.prefix { $0 != ";" }, radix: 16), count >= 0 else {
                throw HTTPError(400, "a chunk is malformed")
            }
            if count == 0 {
                while try !connection.line(upTo: 8_192).isEmpty {}
                isComplete = true
                return nil
            }
            left = count
        }
        let bytes = try connection.take(upTo: min(left, 65_536))
        left -= bytes.count
        total += bytes.count
        guard total <= Self.limit else { throw tooLong }
        if left == 0 {
            if case .chunked = framing { _ = try connection.line(upTo: 2) } else { isComplete = true }
        }
        return bytes
    }

    /// Returns the whole body.
    func collect(upTo limit: Int) throws -> [UInt8] {
        var all: [UInt8] = []
        while let bytes = try read() {
            all += bytes
            guard all.count <= limit else { throw HTTPError(413, "the body is longer than \(limit) bytes") }
        }
        return all
    }

    private var tooLong: HTTPError { HTTPError(413, "the body is longer than \(Self.limit) bytes") }
}
