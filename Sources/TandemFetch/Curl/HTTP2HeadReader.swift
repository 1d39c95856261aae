internal import HTTPTypes

/// A reader of HTTP/2 response heads, which libcurl delivers as lines of text.
struct HTTP2HeadReader {
    /// The maximum size in bytes of the head and the trailers together, about the same as for heads in HTTP/1.1.
    private static let maxBytes = 65_535
    /// The maximum number of interim responses (1xx) before the final one.
    private static let mostInterims = 32

    private enum Expected { case statusLine, fields, nothing }
    private var expected = Expected.statusLine
    private var bytes = 0
    private var interims = 0
    private var status = HTTPResponse.Status.ok
    private var fields = HTTPFields()

    enum Outcome {
        case incomplete
        case complete(FetchHead)
        case failed(FetchError.Code, String)
    }

    /// Reads a line, including its line end. Lines after the head are trailers, which are dropped.
    mutating func take(_ line: UnsafeRawBufferPointer) -> Outcome {
        bytes += line.count
        guard bytes <= HTTP2HeadReader.maxBytes else {
            return .failed(.tooLarge, "the head and the trailers of the answer exceed \(HTTP2HeadReader.maxBytes) bytes")
        }
        var line = line[...]
        while let last = line.last, last == 0x0d || last == 0x0a { line.removeLast() }
        switch expected {
        case .nothing: return .incomplete
        case .statusLine:
            return takeStatus(line) ? .incomplete : .failed(.transfer, "the answer has no valid status")
        case .fields where line.isEmpty: return end()
        case .fields:
            takeField(line)
            return .incomplete
        }
    }

    /// Reads a status line such as `HTTP/2 200`. Returns whether it is valid.
    private mutating func takeStatus(_ line: Slice<UnsafeRawBufferPointer>) -> Bool {
        let parts = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count >= 2, parts[1].count == 3, let code = Int(String(decoding: parts[1], as: UTF8.self)), code >= 100 else {
            return false
        }
        status = HTTPResponse.Status(code: code)
        fields = [:]
        expected = .fields
        return true
    }

    /// Reads a field line, `name: value`. nghttp2 has checked both.
    private mutating func takeField(_ line: Slice<UnsafeRawBufferPointer>) {
        guard let colon = line.firstIndex(of: 0x3a), let name = HTTPField.Name(String(decoding: line[..<colon], as: UTF8.self))
        else { return }
        let value = line[(colon + 1)...].drop { $0 == 0x20 }
        fields.append(HTTPField(name: name, value: Array(value)))
    }

    private mutating func end() -> Outcome {
        // Another head follows an interim response.
        guard status.code >= 200 else {
            interims += 1
            bytes = 0
            expected = .statusLine
            return interims <= HTTP2HeadReader.mostInterims
                ? .incomplete : .failed(.transfer, "more than \(HTTP2HeadReader.mostInterims) interim answers (1xx) were sent")
        }
        expected = .nothing
        return .complete(FetchHead(status: status, fields: fields))
    }
}
