internal import HTTPTypes

/// Status and fields of a response.
struct ResponseHead {
    var status: HTTPResponse.Status
    var headers: HTTPFields

    /// The codings that a field lists (`Content-Encoding`, `Transfer-Encoding`), in lower case, in the order in which they were
    /// laid over one another.
    func codings(_ field: HTTPField.Name) -> [String] {
        headers[values: field].flatMap { $0.split(separator: ",") }
            .map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }.filter { !$0.isEmpty }
    }

    /// What the caller of a client that decodes sees: the length and the coding on the wire are not those of the body.
    mutating func forgetCoding() {
        guard headers[.contentEncoding] != nil else { return }
        headers[.contentEncoding] = nil
        headers[.contentLength] = nil
    }
}

/// Puts a head together from the lines that libcurl hands over, which it has checked already.
struct ResponseHeadReader {
    /// Larger heads are refused.
    static let maxBytes = 256 * 1024

    private enum Expected { case statusLine, fields, nothing }
    private var expected = Expected.statusLine
    private var bytes = 0
    private var head = ResponseHead(status: .ok, headers: [:])
    private var field: (name: HTTPField.Name, value: [UInt8])?

    /// Whether a server has said anything.
    var hasBegun: Bool { bytes > 0 }

    enum Outcome { case incomplete, complete(ResponseHead), tooLarge, malformed }

    /// Takes a line, with its end. Lines after the head are trailers, which nobody asked for.
    mutating func take(_ line: UnsafeRawBufferPointer) -> Outcome {
        bytes += line.count
        guard bytes <= ResponseHeadReader.maxBytes else { return .tooLarge }
        var line = line[...]
        while let last = line.last, last == 0x0d || last == 0x0a { line.removeLast() }
        switch expected {
        case .nothing: return .incomplete
        case .statusLine: return takeStatus(line) ? .incomplete : .malformed
        case .fields where line.isEmpty: return end()
        case .fields:
            takeField(line)
            return .incomplete
        }
    }

    /// `HTTP/1.1 200 OK`, perhaps without a reason.
    private mutating func takeStatus(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
        let parts = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[1].count == 3, let code = Int(String(decoding: parts[1], as: UTF8.self)), code >= 100 else {
            return false
        }
        let reason = parts.count > 2 ? String(decoding: parts[2], as: UTF8.self) : ""
        head = ResponseHead(status: HTTPResponse.Status(code: code, reasonPhrase: reason), headers: [:])
        expected = .fields
        return true
    }

    /// `Name: value`, or the continuation of the line before. What is no field is left out.
    private mutating func takeField(_ line: Slice<UnsafeRawBufferPointer>) {
        if line.first == 0x20 || line.first == 0x09 {
            field?.value.append(0x20)
            field?.value.append(contentsOf: line)
            return
        }
        endField()
        guard let colon = line.firstIndex(of: 0x3a),
            let name = HTTPField.Name(String(decoding: line[..<colon], as: UTF8.self))
        else { return }
        field = (name, Array(line[(colon + 1)...]))
    }

    private mutating func endField() {
        guard let (name, value) = field else { return }
        head.headers.append(HTTPField(name: name, value: value.trimmingBlanks))
        field = nil
    }

    private mutating func end() -> Outcome {
        endField()
        // 100 and 103 announce another head.
        guard head.status.code >= 200 else {
            expected = .statusLine
            return .incomplete
        }
        expected = .nothing
        return .complete(head)
    }
}

extension [UInt8] {
    fileprivate var trimmingBlanks: ArraySlice<UInt8> {
        var rest = self[...]
        while let first = rest.first, first == 0x20 || first == 0x09 { rest.removeFirst() }
        while let last = rest.last, last == 0x20 || last == 0x09 { rest.removeLast() }
        return rest
    }
}
