/// The actions of the hostile upstream for one request, after it has read the head.
struct HostileScript: Sendable {
    /// One action.
    enum Step: Sendable {
        /// Sends these bytes with one call.
        case send([UInt8])
        /// Sends these bytes, each with a separate call.
        case dribble([UInt8])
        /// Does nothing for this long.
        case pause(milliseconds: Int)
        /// Reads the request's body to its end. Sends 100 Continue first if the client waits for it.
        case readBody
        /// Reads at least this many bytes of the request's body.
        case readSome(Int)
        /// Sends this block repeatedly, until the client ends the connection or `limit` bytes have been sent. Then waits for
        /// the client to end the connection.
        case flood([UInt8], limit: Int)
        /// Waits until the client ends the connection, at most 5 seconds.
        case awaitEnd
        /// Sends the first half of these bytes, or over TLS the first half of their records.
        case sendHalf([UInt8])
        /// Sends another session ticket.
        case ticket
        /// Runs `body`, which tells a test how far the script is.
        case call(@Sendable () -> Void)
    }

    /// What happens to the connection after the steps.
    enum Afterwards: Sendable {
        /// The next request is answered.
        case serve
        /// The connection ends in this way.
        case end(HostileEnding)
        /// These bytes follow after a pause, unless the next request arrives first. Then the connection ends, or stays open.
        case stray([UInt8], milliseconds: Int, end: HostileEnding?)
        /// The connection ends in this way after a pause, unless the next request arrives first.
        case endWhenIdle(HostileEnding, milliseconds: Int)
        /// The connection ends in this way as soon as the head of the next request has arrived.
        case endOnNextRequest(HostileEnding)
    }

    /// A description for reports.
    var name = ""
    var steps: [Step]
    var afterwards = Afterwards.serve
    /// Whether the response itself says that the connection must not be used again. Another request on it is then the
    /// client's fault, however soon it arrives.
    var isLast = false
    /// The expected request body for `readBody`; nil for any.
    var expectedBody: [UInt8]?
}

/// The head of a request as read by the hostile upstream.
struct HostileRequest: Sendable {
    let method: String
    let path: String
    /// The number of the exchange in a path `/x/NUMBER`; nil for another path.
    let exchange: Int?
    private let fields: [(name: String, value: String)]

    /// Returns nil for bytes that are not a head.
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
