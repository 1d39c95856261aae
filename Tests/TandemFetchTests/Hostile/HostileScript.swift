/// What the hostile upstream does with one request, once it has read the head.
struct HostileScript: Sendable {
    /// One thing to do.
    enum Step: Sendable {
        /// Sends these bytes by one call.
        case send([UInt8])
        /// Sends these bytes, each by a call of its own.
        case dribble([UInt8])
        /// Does nothing for so long.
        case pause(milliseconds: Int)
        /// Reads the request's body to its end; asks for it first when the client waits for that.
        case readBody
        /// Reads at least so many bytes of the request's body.
        case readSome(Int)
        /// Sends this block again and again, until the client ends the connection or so many bytes were sent. Then waits for
        /// the client to end the connection.
        case flood([UInt8], limit: Int)
        /// Waits until the client ends the connection, at most 5 seconds.
        case awaitEnd
        /// Sends the first half of these bytes, over TLS of their records.
        case sendHalf([UInt8])
        /// Sends another session ticket.
        case ticket
        /// Runs `body`, so that a test knows how far the script is.
        case call(@Sendable () -> Void)
    }

    /// What happens to the connection after the steps.
    enum Afterwards: Sendable {
        /// The next request is answered.
        case serve
        /// The connection ends so.
        case end(HostileEnding)
        /// These bytes follow after a pause, unless the next request comes first; then the connection ends so, or stays.
        case stray([UInt8], milliseconds: Int, end: HostileEnding?)
        /// The connection ends so after a pause, unless the next request comes first.
        case endWhenIdle(HostileEnding, milliseconds: Int)
        /// The connection ends so as soon as the head of the next request has arrived.
        case endOnNextRequest(HostileEnding)
    }

    /// What it does in words, for reports.
    var name = ""
    var steps: [Step]
    var afterwards = Afterwards.serve
    /// Whether the answer itself says that the connection must not be used again. Another request on it is then a fault of the
    /// client's, however soon it comes.
    var isLast = false
    /// The body that the request must have when `readBody` has read it; nil for any.
    var expectedBody: [UInt8]?
}

/// The head of a request, as the hostile upstream has read it.
struct HostileRequest: Sendable {
    let method: String
    let path: String
    /// The number of the exchange in a path `/x/NUMBER`; nil for another path.
    let exchange: Int?
    private let fields: [(name: String, value: String)]

    /// Returns nil for bytes that are no head.
    init?(_ head: [UInt8]) {
        var lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: true)[...]
        guard let line = lines.popFirst()?.split(separator: " "), line.count == 3, line[2] == "HTTP/1.1" else { return nil }
        (method, path) = (String(line[0]), String(line[1]))
        exchange = path.hasPrefix("/x/") ? Int(path.dropFirst(3)) : nil
        var fields: [(String, String)] = []
        for line in lines {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            fields.append((line[..<colon].lowercased(), String(line[line.index(after: colon)...].drop { $0 == " " })))
        }
        self.fields = fields
    }

    /// Returns the value of a field, or nil if the request has none. `name` is in lower case.
    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }
}
