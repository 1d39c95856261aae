internal import HTTPTypes

/// Reads the head of a response line by line.
struct ResponseHeadReader {
    var response = TestResponse(status: .ok)
    private var isFirst = true

    /// Adds a line. Returns whether the head is complete.
    mutating func add(_ line: String) throws -> Bool {
        if isFirst {
            isFirst = false
            try addStatusLine(line)
            return false
        }
        if line.isEmpty {
            let options = response.headers[.connection]?.lowercased().split(whereSeparator: { ", \t".contains($0) }) ?? []
            response.closes = options.contains("close")
            return true
        }
        guard let colon = line.firstIndex(of: ":"), let name = HTTPField.Name(String(line[..<colon])) else {
            throw TestClientError(.malformed, "not a header field: \(line)")
        }
        var value = line[line.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
        while let last = value.last, last == " " || last == "\t" { value.removeLast() }
        response.headers.append(HTTPField(name: name, value: String(value)))
        return false
    }

    private mutating func addStatusLine(_ line: String) throws {
        let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "HTTP/1.1", parts[1].count == 3, let code = Int(parts[1]) else {
            throw TestClientError(.malformed, "not a status line: \(line)")
        }
        response.status = HTTPResponse.Status(code: code, reasonPhrase: String(parts[2]))
    }
}
