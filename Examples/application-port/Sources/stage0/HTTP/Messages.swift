/// A request.
struct Request {
    let method: String
    let path: String
    let items: [String: String]
    let headers: [String: String]
    var parameters: [String: String] = [:]
    let body: RequestBody

    /// Returns a parameter of the query.
    func query(_ name: String) throws -> String {
        guard let text = items[name] else { throw HTTPError(400, "\(name): expected a value") }
        return text
    }

    /// Returns a number in the query, or nil without one.
    func query(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
        guard let text = items[name] else { return nil }
        guard let value = Int(text), range ~= value else {
            throw HTTPError(400, "\(name): expected a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }
}

/// An answer.
struct Response {
    enum Body {
        case bytes([UInt8])
        case stream(length: Int, (Connection) throws -> Void)
    }

    var status = 200
    var headers: [(String, String)] = []
    var body: Body

    static let reasons = [
        200: "OK", 201: "Created", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large",
        415: "Unsupported Media Type", 431: "Request Header Fields Too Large", 500: "Internal Server Error", 502: "Bad Gateway",
        503: "Service Unavailable", 504: "Gateway Timeout",
    ]

    var length: Int {
        switch body {
        case .bytes(let bytes): bytes.count
        case .stream(let length, _): length
        }
    }
}

extension Response {
    /// An answer whose body a closure writes.
    init(headers: [(String, String)], contentLength: Int, streaming body: @escaping (Connection) throws -> Void) {
        self.init(headers: headers, body: .stream(length: contentLength, body))
    }
}
