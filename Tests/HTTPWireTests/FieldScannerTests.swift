import HTTPTypes
import HTTPWire
import Testing

struct FieldScannerTests {
    @Test(arguments: [
        Refusal("Host : a\r\n", .whitespaceBeforeColon),
        Refusal("Host\t: a\r\n", .whitespaceBeforeColon),
        Refusal("Content Length: 1\r\n", .whitespaceBeforeColon),
        Refusal(" Host: a\r\n", .foldedField),
        Refusal("\tHost: a\r\n", .foldedField),
        Refusal("X: a\r\n b\r\n", .foldedField),
        Refusal("X: a\r\n\tb\r\n", .foldedField),
        Refusal("X: a\r\n \r\n", .foldedField),
        Refusal(": a\r\n", .invalidFieldName),
        Refusal("X(: a\r\n", .invalidFieldName),
        Refusal("\"X\": a\r\n", .invalidFieldName),
        Refusal("X\u{0}: a\r\n", .invalidFieldName),
        Refusal("é: a\r\n", .invalidFieldName),
        Refusal("X\r\n", .missingColon),
        Refusal("X\n", .bareLineFeed),
        Refusal("X: a\n", .bareLineFeed),
        Refusal("X: a\nY: b\r\n", .bareLineFeed),
        Refusal("\n", .bareLineFeed),
        Refusal("X: a\rb\r\n", .bareCarriageReturn),
        Refusal("X: a\r\r\n", .bareCarriageReturn),
        Refusal("X: a\r\n\rX", .bareCarriageReturn),
        Refusal("X: a\u{0}b\r\n", .invalidFieldValue),
        Refusal("X: a\u{1}b\r\n", .invalidFieldValue),
        Refusal("X: a\u{8}b\r\n", .invalidFieldValue),
        Refusal("X: a\u{B}b\r\n", .invalidFieldValue),
        Refusal("X: a\u{1F}b\r\n", .invalidFieldValue),
        Refusal("X: a\u{7F}b\r\n", .invalidFieldValue),
        Refusal("X: \u{0}\r\n", .invalidFieldValue),
        Refusal("X: 0123456789abcdef0123456789\u{1}\r\n", .invalidFieldValue),
    ])
    func `a malformed field line is refused`(_ refusal: Refusal) {
        refusal.check(parse("GET / HTTP/1.1\r\n" + refusal.input + "\r\n").error)
        // The same scanner reads trailers.
        refusal.check(decode("0\r\n" + refusal.input + "\r\n").error)
    }

    @Test(arguments: [
        ("X:a", "a"), ("X: a", "a"), ("X:\t a \t", "a"), ("X: a b\tc", "a b\tc"), ("X:", ""), ("X: \t ", ""),
        ("X: é", "é"), ("X: a:b, \"c\"", "a:b, \"c\""), ("X: 0123456789\tabcdefghijklmnop", "0123456789\tabcdefghijklmnop"),
    ])
    func `blanks around a value are trimmed, everything else is kept`(line: String, value: String) {
        #expect(parse(request(line)).heads.first?.fields.last == "X=\(value)")
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `a byte that a name or value may not contain is refused at every place`(byte: UInt8) {
        func isTaken(_ line: [UInt8]) -> Bool {
            let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8) + line + Array("\r\n\r\n".utf8)
            return Parsed(bytes, ends: [bytes.count]).error == nil
        }
        let isToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8.contains(byte)
        for (before, after) in [("", "x: y"), ("x", ": y")] {
            // A colon that ends the name early is an error only if the name is then empty.
            let isColon = byte == UInt8(ascii: ":") && !before.isEmpty
            #expect(isTaken(Array(before.utf8) + [byte] + Array(after.utf8)) == (isToken || isColon), "\(before)\(byte)\(after)")
        }
        let isValue = byte >= 0x20 && byte != 0x7F || byte == 0x09
        for (before, after) in [("x:", "y"), ("x: y", "z"), ("x: y", "")] {
            // A carriage return before the line's own is an error.
            #expect(isTaken(Array(before.utf8) + [byte] + Array(after.utf8)) == isValue, "\(before)\(byte)\(after)")
        }
    }

    @Test func `a name may contain every token character`() {
        let name = "!#$%&'*+-.^_`|~09azAZ"
        #expect(parse(request("\(name): a")).heads.first?.fields.last == "\(name)=a")
    }

    @Test func `values may contain bytes beyond ASCII, whether UTF-8 or not`() throws {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: ".utf8) + [0x80, 0xFF] + Array("\r\n\r\n".utf8)
        #expect(parse(bytes).heads.first?.fields.last == "X=\u{FFFD}\u{FFFD}")
        var parser = RequestHeadParser()
        let head = try parser.parse(bytes.span.bytes)
        #expect(head?.fields.last?.withUnsafeBytesOfValue { Array($0) } == [0x80, 0xFF])
    }

    @Test func `a field line at the limit is accepted, one byte more is 431 before the line ends`() {
        let limits = HTTPWireLimits(fieldLine: 30)
        let atLimit = "X: " + String(repeating: "a", count: 27)
        #expect(parse(request(atLimit), limits: limits).heads.count == 1)
        let head = "GET / HTTP/1.1\r\n"
        #expect(parse(head + atLimit + "a", limits: limits).error == .fieldLineTooLong)
        #expect(parse(head + String(repeating: "X", count: 31), limits: limits).error == .fieldLineTooLong)
        #expect(parse(head + String(repeating: "X", count: 30), limits: limits).error == nil)
        #expect(HTTPParseError(.fieldLineTooLong).status == 431)
    }

    @Test func `fields up to the limit are accepted, one more is 431 at its first byte`() {
        let limits = HTTPWireLimits(fieldCount: 3)
        #expect(parse(request("A: 1", "B: 2"), limits: limits).heads.count == 1)
        #expect(parse("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\nD", limits: limits).error == .tooManyFields)
        #expect(HTTPParseError(.tooManyFields).status == 431)
    }

    @Test func `a field section at the limit is accepted, one byte more is 431`() {
        let section = "Host: a\r\nX: 0123456789\r\n\r\n"
        let head = "GET / HTTP/1.1\r\n"
        for excess in 1...section.utf8.count {
            let limits = HTTPWireLimits(headBytes: section.utf8.count - excess)
            #expect(parse(head + section, limits: limits).error == .fieldSectionTooLarge)
        }
        #expect(parse(head + section, limits: HTTPWireLimits(headBytes: section.utf8.count)).heads.count == 1)
        #expect(HTTPParseError(.fieldSectionTooLarge).status == 431)
    }
}
