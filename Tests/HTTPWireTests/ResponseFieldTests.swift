import HTTPTypes
import HTTPWire
import Testing

struct ResponseFieldTests {
    @Test(arguments: [
        ResponseRefusal("Server : a\r\n", .whitespaceBeforeColon),
        ResponseRefusal("Server\t: a\r\n", .whitespaceBeforeColon),
        ResponseRefusal("X: a\r\nServer : a\r\n", .whitespaceBeforeColon),
        ResponseRefusal(": a\r\n", .invalidFieldName),
        ResponseRefusal("X(: a\r\n", .invalidFieldName),
        ResponseRefusal("é: a\r\n", .invalidFieldName),
        ResponseRefusal("X\r\n", .missingColon),
        ResponseRefusal("X\n", .bareLineFeed),
        ResponseRefusal("X: a\n", .bareLineFeed),
        ResponseRefusal("\n", .bareLineFeed),
        ResponseRefusal("X: a\rb\r\n", .bareCarriageReturn),
        ResponseRefusal("X: a\r\r\n", .bareCarriageReturn),
        ResponseRefusal("X: a\r\n\rX", .bareCarriageReturn),
        ResponseRefusal("X: a\u{0}b\r\n", .invalidFieldValue),
        ResponseRefusal("X: a\u{1B}b\r\n", .invalidFieldValue),
        ResponseRefusal("X: a\u{7F}b\r\n", .invalidFieldValue),
        ResponseRefusal("X: a\r\n b\u{0}c\r\n", .invalidFieldValue),
        ResponseRefusal("X: a\r\n b\n", .bareLineFeed),
        ResponseRefusal("X: a\r\n b\rc", .bareCarriageReturn),
    ])
    func `a malformed field line is refused`(_ refusal: ResponseRefusal) {
        refusal.check(parseResponses("HTTP/1.1 200 OK\r\n" + refusal.input + "\r\n").error)
    }

    @Test(arguments: [
        ("X: a\r\n b", "a b"), ("X: a\r\n\tb", "a b"), ("X: a \t\r\n \t b", "a b"), ("X: a\r\n b\r\n\tc", "a b c"),
        ("X: a\r\n \r\n b", "a  b"), ("X:\r\n b", "b"), ("X: \r\n b ", "b"), ("X: a\r\n ", "a"), ("X:\r\n ", ""),
        ("X: a\r\n b: c", "a b: c"),
        ("X: é\r\n 0123456789abcdef\r\n 0123456789\tabcdef", "é 0123456789abcdef 0123456789\tabcdef"),
    ])
    func `each fold of a field is replaced by one space`(line: String, value: String) throws {
        let text = response("A: 1", line, "Content-Length: 3")
        let head = try #require(parseResponses(text + text).heads.last)
        #expect(head.fields == ["A=1", "X=\(value)", "Content-Length=3"])
        #expect(head.byteCount == text.utf8.count)
        #expect(head.framing == .length(3))
    }

    @Test func `a folded value is the same however it is read`() throws {
        var parser = ResponseHeadParser()
        let bytes = Array(response("Set-Cookie: a=b;\r\n Path=/", "Set-Cookie: c=d\r\n\t; Secure").utf8)
        let head = try #require(try parser.parse(bytes.span.bytes))
        #expect(head.values(of: .setCookie) == ["a=b; Path=/", "c=d ; Secure"])
        #expect(head[.setCookie] == "a=b; Path=/, c=d ; Secure")
        #expect(head.fields[values: .setCookie] == ["a=b; Path=/", "c=d ; Secure"])
    }

    @Test(arguments: [
        ResponseRefusal(" X: a\r\n", .foldedField), ResponseRefusal("\tX: a\r\n", .foldedField),
        ResponseRefusal(" \r\n", .foldedField),
        ResponseRefusal("Content-Length: 3\r\n 4\r\n", .foldedField),
        ResponseRefusal("Content-Length: 3\r\n \r\n", .foldedField),
        ResponseRefusal("Content-Length:\r\n 3\r\n", .foldedField),
        ResponseRefusal("content-length: 3,\r\n\t3\r\n", .foldedField),
        ResponseRefusal("Transfer-Encoding:\r\n chunked\r\n", .foldedField),
        ResponseRefusal("Transfer-Encoding: chunked\r\n \r\n", .foldedField),
        ResponseRefusal("Connection: keep-alive,\r\n close\r\n", .foldedField),
    ])
    func `a fold is refused before the first field and in fields that frame the response`(_ refusal: ResponseRefusal) {
        refusal.check(parseResponses("HTTP/1.1 200 OK\r\n" + refusal.input + "\r\n").error)
    }

    @Test func `the lines of a folded field count as one field and one line`() {
        let limits = HTTPWireLimits(fieldLine: 12, fieldCount: 1)
        #expect(parseResponses(response("X: 01\r\n 2345"), limits: limits).heads.count == 1)
        for field in ["X: 01\r\n 23456", "X: 01\r\n 2\r\n 45", "X: 0123456\r\n ", "X: 01234567\r\n a", "X: 012345678\r\n a"] {
            ResponseRefusal("", .fieldLineTooLong).check(parseResponses(response(field), limits: limits).error)
        }
    }

    @Test func `field lines, sections and counts at their limits are accepted, one more is an error`() {
        let line = "HTTP/1.1 200 OK\r\n"
        let atLimit = "X: " + String(repeating: "a", count: 27)
        #expect(parseResponses(response(atLimit), limits: HTTPWireLimits(fieldLine: 30)).heads.count == 1)
        let longLine = parseResponses(line + atLimit + "a", limits: HTTPWireLimits(fieldLine: 30))
        #expect(longLine.error?.code == .fieldLineTooLong)

        #expect(parseResponses(response("A: 1", "B: 2"), limits: HTTPWireLimits(fieldCount: 2)).heads.count == 1)
        let manyFields = parseResponses(line + "A: 1\r\nB: 2\r\nC", limits: HTTPWireLimits(fieldCount: 2))
        #expect(manyFields.error?.code == .tooManyFields)

        let section = "A: 1\r\nX: 0123456789\r\n 0123456789\r\n\r\n"
        for excess in 0...section.utf8.count {
            let parsed = parseResponses(line + section, limits: HTTPWireLimits(headBytes: section.utf8.count - excess))
            #expect(parsed.error?.code == (excess == 0 ? nil : .fieldSectionTooLarge))
        }
    }

    @Test func `several hundred fields are kept in order`() {
        let lines = (1...500).map { "X-\($0): \($0)\r\n" }
        let bytes = Array(("HTTP/1.1 200 OK\r\n" + lines.joined() + "\r\n").utf8)
        let limits = HTTPWireLimits(fieldCount: 500)
        let whole = ParsedResponses(bytes, ends: [bytes.count], limits: limits)
        #expect(whole.heads.first?.fields == (1...500).map { "X-\($0)=\($0)" })
        #expect(ParsedResponses(bytes, ends: 0...bytes.count, limits: limits) == whole)
    }

    @Test func `field lookup ignores case and joins repeated lines`() throws {
        var parser = ResponseHeadParser()
        let bytes = Array(response("vARY: a", "X-Empty:", "Set-Cookie: a=1", "Vary: b", "Set-Cookie: b=2").utf8)
        let head = try #require(try parser.parse(bytes.span.bytes))
        #expect(head[.vary] == "a, b")
        #expect(head[HTTPField.Name("x-EMPTY")!] == "")
        #expect(head[.contentType] == nil)
        #expect(head.values(of: .setCookie) == ["a=1", "b=2"])
        #expect(head.values(of: .contentType) == [])
        #expect(head.fieldCount == 5)
        for name in [HTTPField.Name.vary, .setCookie, .contentType, HTTPField.Name("X-Empty")!] {
            #expect(head[name] == head.fields[name])
        }
    }

    @Test(arguments: [
        (response(), [false, false, false]),
        (response("Content-Encoding: gzip"), [true, false, false]),
        (response("content-encoding:"), [true, false, false]),
        (response("LOCATION: /a"), [false, true, false]),
        (response("Retry-After: 1"), [false, false, true]),
        (response("Location: /\r\n a", "retry-AFTER:\tx", "Content-ENCODING: br, gzip"), [true, true, true]),
        (response("Locations: /a", "Retry_After: 1", "Content-Encodings: br", "Xocation: a"), [false, false, false]),
    ])
    func `the scanner notes the fields that a client needs from every response`(text: String, has: [Bool]) {
        #expect(parseResponses(text).heads.first?.has == has)
    }
}
