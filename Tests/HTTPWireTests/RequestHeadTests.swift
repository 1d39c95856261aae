import HTTPTypes
import HTTPWire
import Testing

struct RequestHeadTests {
    private func head(_ text: String) throws -> RequestHead {
        var parser = RequestHeadParser()
        let bytes = Array(text.utf8)
        let head = try parser.parse(bytes.span.bytes)
        return try #require(head)
    }

    @Test(arguments: [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "GETS", "BREW", "PROPFIND",
        "VERSION-CONTROL", "!",
    ])
    func `methods are read by name, whether known or not`(name: String) throws {
        #expect(try head(request(line: "\(name) / HTTP/1.1")).method == HTTPRequest.Method(name))
    }

    @Test func `field lookup ignores case and joins repeated lines`() throws {
        let head = try head(request("aCCept: a", "X-Empty:", "Cookie: a=1", "Accept: b", "Cookie: b=2"))
        #expect(head[.accept] == "a, b")
        #expect(head[.cookie] == "a=1; b=2")
        #expect(head[HTTPField.Name("x-EMPTY")!] == "")
        #expect(head[.contentType] == nil)
        #expect(head.values(of: .accept) == ["a", "b"])
        #expect(head.values(of: .contentType) == [])
        #expect(head.fieldCount == 6)
        let similar = try self.head(request("X^A: 1", "x_a: 2"))
        #expect(similar[HTTPField.Name("X~a")!] == nil)
        #expect(similar[HTTPField.Name("X_A")!] == "2")
        for name in [HTTPField.Name.accept, .cookie, .contentType, HTTPField.Name("X-Empty")!] {
            #expect(head[name] == head.fields[name])
        }
    }

    @Test func `the content length is returned where it is known`() throws {
        #expect(try head(request("Content-Length: 7")).contentLength == 7)
        #expect(try head(request()).contentLength == nil)
        #expect(try head(request("Transfer-Encoding: chunked")).contentLength == nil)
    }

    @Test func `the path and the whole head can be read without making a string`() throws {
        let text = request(line: "GET /a%20b?c HTTP/1.1")
        let head = try head(text)
        #expect(head.withPathBytes { path in path.indices.map { path[$0] } } == Array("/a%20b".utf8))
        #expect(head.withBytes { bytes in bytes.indices.map { bytes[$0] } } == Array(text.utf8))
    }

    @Test func `the head converts to an HTTPRequest of swift-http-types`() throws {
        let origin = try head(request("X: 1", line: "POST /a?b HTTP/1.1")).request
        #expect(origin.method == .post)
        #expect(origin.path == "/a?b")
        #expect(origin.authority == "a")
        #expect(origin.scheme == nil)
        #expect(origin.headerFields == [HTTPField.Name("X")!: "1"])

        let absolute = try head(request(line: "GET HTTPS://b?c HTTP/1.1")).request
        #expect(absolute.path == "/?c")
        #expect(absolute.authority == "b")
        #expect(absolute.scheme == "https")

        #expect(try head(request(line: "OPTIONS * HTTP/1.1")).request.path == "*")
        #expect(try head(request(line: "CONNECT b:1 HTTP/1.1")).request.path == nil)
    }

    @Test func `a head does not change when its buffer and parser are reused`() throws {
        var parser = RequestHeadParser()
        var buffer = Array(request(line: "GET /first HTTP/1.1").utf8)
        let first = try parser.parse(buffer.span.bytes)
        buffer = Array(request(line: "GET /other HTTP/1.1").utf8)
        let second = try parser.parse(buffer.span.bytes)
        #expect(first?.path == "/first")
        #expect(second?.path == "/other")
    }
}
