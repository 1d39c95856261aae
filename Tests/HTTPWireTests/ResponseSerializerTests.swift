import HTTPTypes
import HTTPWire
import Testing

struct ResponseSerializerTests {
    private let date = HTTPDate(unixSeconds: 784_111_777)

    private func head(
        _ status: HTTPResponse.Status = .ok, _ fields: HTTPFields = [:], framing: ResponseFraming = .length(0),
        version: HTTPVersion = .http11, isHead: Bool = false, keepAlive: Bool = true, idleSeconds: Int? = nil,
        date: HTTPDate? = nil
    ) throws -> (text: String, framing: ResponseFraming) {
        var output: [UInt8] = []
        let framing = try ResponseSerializer.writeHead(
            status: status, fields: fields, framing: framing, version: version, isHead: isHead, keepAlive: keepAlive,
            idleSeconds: idleSeconds, date: date, into: &output)
        return (String(decoding: output, as: UTF8.self), framing)
    }

    @Test func `a head is appended to the bytes already in the buffer`() throws {
        var output = Array("before".utf8)
        try ResponseSerializer.writeHead(
            status: .notFound, fields: [.contentType: "text/plain", .server: "t"], framing: .length(1_234_567_890),
            version: .http11,
            keepAlive: false, date: date, into: &output)
        #expect(
            String(decoding: output, as: UTF8.self) == """
                beforeHTTP/1.1 404 Not Found\r
                Content-Type: text/plain\r
                Server: t\r
                Content-Length: 1234567890\r
                Connection: close\r
                Date: Sun, 06 Nov 1994 08:49:37 GMT\r
                \r

                """)
    }

    @Test func `field names keep their case and order`() throws {
        let fields: HTTPFields = [.init("x-lower")!: "1", .init("X-UPPER")!: "2", .init("x-lower")!: "3"]
        #expect(try head(.ok, fields).text.contains("\r\nx-lower: 1\r\nX-UPPER: 2\r\nx-lower: 3\r\n"))
    }

    @Test(
        arguments: [
            (.ok, .length(5), .http11, false, "Content-Length: 5\r\n", .length(5)),
            (.ok, .length(0), .http11, false, "Content-Length: 0\r\n", .length(0)),
            (.ok, .length(.max), .http11, false, "Content-Length: 9223372036854775807\r\n", .length(.max)),
            (.ok, .length(5), .http11, true, "Content-Length: 5\r\n", .none),
            (.ok, .chunked, .http11, false, "Transfer-Encoding: chunked\r\n", .chunked),
            (.ok, .chunked, .http11, true, "Transfer-Encoding: chunked\r\n", .none),
            (.ok, .chunked, .http10, false, "Connection: close\r\n", .untilClose),
            (.ok, .chunked, .http10, true, "Connection: keep-alive\r\n", .none),
            (.ok, .length(5), .http10, false, "Content-Length: 5\r\nConnection: keep-alive\r\n", .length(5)),
            (.ok, .untilClose, .http11, false, "Connection: close\r\n", .untilClose),
            (.ok, .none, .http11, false, "", .none),
            (.noContent, .length(5), .http11, false, "", .none),
            (.notModified, .chunked, .http11, false, "", .none),
            (.continue, .length(5), .http11, false, "", .none),
            (.resetContent, .length(5), .http11, false, "Content-Length: 0\r\n", .none),
            (.resetContent, .chunked, .http10, false, "Content-Length: 0\r\nConnection: keep-alive\r\n", .none),
        ] as [(HTTPResponse.Status, ResponseFraming, HTTPVersion, Bool, String, ResponseFraming)])
    func `the body, status, version and HEAD decide the framing`(
        status: HTTPResponse.Status, framing: ResponseFraming, version: HTTPVersion, isHead: Bool, fields: String,
        body: ResponseFraming
    ) throws {
        let written = try head(status, framing: framing, version: version, isHead: isHead)
        #expect(written.text == "HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n\(fields)\r\n")
        #expect(written.framing == body)
    }

    @Test func `a client that asks for keep-alive is told the timeout, unless the connection ends`() throws {
        let announced = "Content-Length: 0\r\nConnection: keep-alive\r\nKeep-Alive: timeout=75\r\n\r\n"
        #expect(try head(idleSeconds: 75).text == "HTTP/1.1 200 OK\r\n" + announced)
        #expect(try head(version: .http10, idleSeconds: 75).text == "HTTP/1.1 200 OK\r\n" + announced)
        let closing = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        #expect(try head(keepAlive: false, idleSeconds: 75).text == closing)
        #expect(try head(framing: .untilClose, idleSeconds: 75).text == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    }

    @Test func `an interim response has no Date and no Connection field`() throws {
        let written = try head(.earlyHints, [.server: "t"], framing: .none, keepAlive: false, date: date)
        #expect(written.text == "HTTP/1.1 103 Early Hints\r\nServer: t\r\n\r\n")
        #expect(String(decoding: ResponseSerializer.continueResponse, as: UTF8.self) == "HTTP/1.1 100 Continue\r\n\r\n")
    }

    @Test func `fields that the serializer writes itself are not written twice`() throws {
        var fields: HTTPFields = [
            .contentLength: "99", .transferEncoding: "gzip", .connection: "keep-alive", .date: "now", .age: "1",
            .init("Keep-Alive")!: "timeout=1",
        ]
        fields[HTTPField.Name("CONTENT-length")!] = "98"
        let written = try head(.ok, fields, framing: .length(3), keepAlive: false, date: date)
        #expect(
            written.text == "HTTP/1.1 200 OK\r\nAge: 1\r\nContent-Length: 3\r\nConnection: close\r\nDate: \(date)\r\n\r\n")
    }

    @Test(arguments: [
        (200, "OK"), (404, "Not Found"), (431, "Request Header Fields Too Large"), (505, "HTTP Version Not Supported"),
        (299, ""), (999, ""),
    ])
    func `a status made from a number gets its standard reason phrase`(code: Int, reason: String) throws {
        #expect(try head(.init(code: code)).text.hasPrefix("HTTP/1.1 \(code) \(reason)\r\n"))
        #expect(try head(.init(code: code, reasonPhrase: "Mine")).text.hasPrefix("HTTP/1.1 \(code) Mine\r\n"))
    }

    @Test(arguments: [UInt8(1), 8, 11, 0x1B, 0x1F, 0x7F])
    func `a control byte in a value is refused, and the output is unchanged`(byte: UInt8) {
        var output = Array("before".utf8)
        let fields = HTTPFields([HTTPField(name: .age, value: "1"), HTTPField(name: .server, lenientValue: [0x61, byte, 0x62])])
        #expect(throws: HTTPSerializeError.invalidFieldValue(name: "Server")) {
            try ResponseSerializer.writeHead(
                status: .ok, fields: fields, framing: .none, version: .http11, keepAlive: true, date: nil, into: &output)
        }
        #expect(output == Array("before".utf8))
        #expect(throws: HTTPSerializeError.invalidFieldValue(name: "Server")) {
            try ResponseSerializer.writeLastChunk(trailers: fields, into: &output)
        }
        #expect(output == Array("before".utf8))
    }

    @Test(arguments: [0, 99])
    func `a status without three digits is refused`(code: Int) {
        #expect(throws: HTTPSerializeError.invalidStatus(code)) { try head(.init(code: code)) }
    }

    @Test(arguments: ["a\r\nX: b", "a\nX: b", "a\rX: b", "a\u{0}b", "a\r\n\r\n<html>"])
    func `no value can start a second line`(value: String) throws {
        let fields: HTTPFields = [.location: value, .server: "t"]
        let text = try head(.init(code: 302, reasonPhrase: value), fields, framing: .none).text
        #expect(text.split(separator: "\r\n", omittingEmptySubsequences: false).count == 5)
        #expect(!text.replacing("\r\n", with: "").utf8.contains { $0 == 0 || $0 == 10 || $0 == 13 })
    }

    @Test func `a strict parser reads the written head as intended`() throws {
        let fields: HTTPFields = [.contentType: "text/html; charset=utf-8", .setCookie: "a=\"b\"; Path=/", .server: "é\tx"]
        let text = try head(.ok, fields, framing: .chunked, date: date).text
        let section = text[try #require(text.firstRange(of: "\r\n")).upperBound...]
            .replacing("Transfer-Encoding: chunked", with: "Host: a")
        let read = parse("GET / HTTP/1.1\r\n" + section).heads.first?.fields
        #expect(read == fields.map { "\($0.name)=\($0.value)" } + ["Host=a", "Date=\(date)"])
    }
}
