internal import HTTPTypes

/// The bytes of a request.
enum RequestBytes {
    static func of(
        _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields, _ body: TestBody?
    ) -> [UInt8] {
        var text = "\(method.rawValue) \(path) HTTP/1.1\r\n"
        if headers[HTTPField.Name("Host")!] == nil { text += "Host: localhost\r\n" }
        for field in headers { text += "\(field.name.rawName): \(field.value)\r\n" }
        switch body {
        case nil:
            if [.post, .put, .patch].contains(method), headers[.contentLength] == nil, headers[.transferEncoding] == nil {
                text += "Content-Length: 0\r\n"
            }
            return Array((text + "\r\n").utf8)
        case .bytes(let bytes):
            if headers[.contentLength] == nil { text += "Content-Length: \(bytes.count)\r\n" }
            return Array((text + "\r\n").utf8) + bytes
        case .chunks(let chunks):
            if headers[.transferEncoding] == nil { text += "Transfer-Encoding: chunked\r\n" }
            var bytes = Array((text + "\r\n").utf8)
            for chunk in chunks where !chunk.isEmpty {
                bytes += Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + [13, 10]
            }
            return bytes + Array("0\r\n\r\n".utf8)
        }
    }
}
