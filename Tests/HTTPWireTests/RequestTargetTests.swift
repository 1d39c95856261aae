import Testing

@testable import HTTPWire

struct RequestTargetTests {
    struct Example: Sendable {
        var line: String
        var path: String
        var query: String?
        var authority = "a"
        var form: RequestTargetForm
    }

    @Test(arguments: [
        Example(line: "GET / HTTP/1.1", path: "/", form: .origin),
        Example(line: "GET /a/b%20c HTTP/1.1", path: "/a/b%20c", form: .origin),
        Example(line: "GET /a?b=c&d HTTP/1.1", path: "/a", query: "b=c&d", form: .origin),
        Example(line: "GET /? HTTP/1.1", path: "/", query: "", form: .origin),
        Example(line: "GET /a?b?c HTTP/1.1", path: "/a", query: "b?c", form: .origin),
        Example(line: "GET //b/c HTTP/1.1", path: "//b/c", form: .origin),
        Example(line: "GET /[]|^`{} HTTP/1.1", path: "/[]|^`{}", form: .origin),
        Example(line: "GET /?a\\b HTTP/1.1", path: "/", query: "a\\b", form: .origin),
        Example(line: "GET http://b HTTP/1.1", path: "/", authority: "b", form: .absolute),
        Example(line: "GET HTTP://b:80/ HTTP/1.1", path: "/", authority: "b:80", form: .absolute),
        Example(line: "GET https://[::1]/c?d HTTP/1.1", path: "/c", query: "d", authority: "[::1]", form: .absolute),
        Example(line: "GET http://b?/c HTTP/1.1", path: "/", query: "/c", authority: "b", form: .absolute),
        Example(line: "OPTIONS * HTTP/1.1", path: "*", form: .asterisk),
        Example(line: "OPTIONS /a HTTP/1.1", path: "/a", form: .origin),
        Example(line: "CONNECT b:443 HTTP/1.1", path: "", authority: "b:443", form: .authority),
        Example(line: "CONNECT [::1]:443 HTTP/1.1", path: "", authority: "[::1]:443", form: .authority),
        Example(line: "BREW /pot HTTP/1.1", path: "/pot", form: .origin),
    ])
    func `each target form is split into its parts`(_ example: Example) {
        let words = example.line.split(separator: " ").map(String.init)
        #expect(
            parse(request(line: example.line)).heads.first?.line == [
                words[0], words[1], example.path, example.query, example.authority, "\(example.form)", "HTTP/1.1",
            ])
    }

    @Test(arguments: [
        "GET * HTTP/1.1", "OPTIONS ** HTTP/1.1", "OPTIONS *? HTTP/1.1", "GET a HTTP/1.1", "GET a:80 HTTP/1.1",
        "GET ?a HTTP/1.1",
        "CONNECT / HTTP/1.1", "CONNECT a HTTP/1.1", "CONNECT a: HTTP/1.1", "CONNECT http://a:80 HTTP/1.1",
        "CONNECT a:80?b HTTP/1.1",
        "GET http:// HTTP/1.1", "GET http:/// HTTP/1.1", "GET http://?a HTTP/1.1", "GET http:a HTTP/1.1",
        "GET https:// HTTP/1.1",
        "GET http://user@a/ HTTP/1.1", "GET http://a:b/ HTTP/1.1", "GET http://a:99999/ HTTP/1.1", "GET ftp://a/ HTTP/1.1",
        "GET ws://a/ HTTP/1.1", "GET \\a HTTP/1.1", "GET /a\\b HTTP/1.1", "GET /\\b?c HTTP/1.1", "GET http://a\\b/ HTTP/1.1",
        "CONNECT a\\b:80 HTTP/1.1",
    ])
    func `a target is refused if it is malformed or its form does not fit the method`(line: String) {
        Refusal(line, .invalidTarget).check(parse(request(line: line)).error)
    }

    @Test func `the host of an absolute target overrides Host, which must still be valid`() {
        let head = parse(request("Host: other:81", line: "GET http://b:80/ HTTP/1.1", host: false)).heads.first
        #expect(head?.line[4] == "b:80")
        #expect(parse(request("Host: a b", line: "GET http://b/ HTTP/1.1", host: false)).error == .invalidHost)
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `a byte that no target may contain is refused at every place`(byte: UInt8) {
        let isPlain = ByteSet.plainTarget.contains(byte)
        func error(_ target: [UInt8]) -> HTTPParseError.Code? {
            let bytes = Array("GET ".utf8) + target + Array(" HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
            return Parsed(bytes, ends: [bytes.count]).error
        }
        let path = error(Array("/a".utf8) + [byte] + Array("b".utf8))
        let query = error(Array("/?a".utf8) + [byte] + Array("b".utf8))
        switch byte {
        case UInt8(ascii: "?"): #expect(path == nil && query == nil)
        case UInt8(ascii: "%"): #expect(path == .invalidPercentEncoding && query == .invalidPercentEncoding)
        case UInt8(ascii: "\\"): #expect(path == .invalidTarget && query == nil)
        case 0x0A: #expect(path == .bareLineFeed && query == .bareLineFeed)
        case 0x0D: #expect(path == .missingVersion && query == .missingVersion)
        case 0x20: #expect(path == .invalidVersion && query == .invalidVersion)
        case _ where isPlain: #expect(path == nil && query == nil)
        default: #expect(path == .invalidTarget && query == .invalidTarget)
        }
    }
}
