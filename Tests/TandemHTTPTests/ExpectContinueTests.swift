import TandemHTTP
import Testing

extension ServerTests {
    @Suite("Expect: 100-continue")
    struct ExpectContinueTests {
        static func head(_ framing: String, expect: String = "100-continue") -> String {
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: \(expect)\r\n\(framing)\r\n\r\n"
        }

        @Test("the client is told to go on when the body is read", arguments: Style.allCases)
        func whenRead(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                let client = try live.connect()
                for expect in ["100-continue", "100-Continue"] {
                    try client.send(Self.head("Content-Length: 3", expect: expect))
                    #expect(try client.answer().status == 100)
                    try client.send("abc")
                    let answer = try client.answer()
                    #expect(answer.text == "abc")
                    #expect(!answer.closes)

                    try client.send(Self.head("Transfer-Encoding: chunked", expect: expect))
                    #expect(try client.answer().status == 100)
                    try client.send("3\r\nabc\r\n0\r\n\r\n")
                    #expect(try client.answer().text == "abc")
                }
            }
        }

        @Test("one that does not wait is told all the same, once a request", arguments: Style.allCases)
        func pipelined(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                let client = try live.connect()
                try client.send(Self.head("Content-Length: 3") + "abc" + Self.head("Content-Length: 3") + "def")
                #expect(try client.answer().status == 100)
                #expect(try client.answer().text == "abc")
                #expect(try client.answer().status == 100)
                #expect(try client.answer().text == "def")
            }
        }

        @Test("an answer that does not need the body is final and the last", arguments: Style.allCases)
        func finalAtOnce(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.post, "/", style) { _ in Response(text: "no need") }
            }) { live in
                let client = try live.connect()
                try client.send(Self.head("Content-Length: 3"))
                let answer = try client.answer()
                #expect(answer.text == "no need")
                #expect(answer.closes)
                #expect(try client.isAtEnd())
            }
        }

        @Test("a streamed answer asks for the body before it begins", arguments: Style.allCases)
        func streamed(style: Style) async throws {
            try await withServer(routes: { $0.echoing("/", style) }) { live in
                let client = try live.connect()
                try client.send(Self.head("Content-Length: 3"))
                #expect(try client.head().status == 100)
                try client.send("abc")
                let head = try client.head()
                #expect(head.status == 200)
                #expect(!head.closes)
                #expect(try client.chunk() == Array("abc".utf8))
                #expect(try client.chunk() == nil)
            }
        }

        @Test("without a body there is nothing to go on with", arguments: ["Content-Length: 0", "X: y"])
        func noBody(framing: String) async throws {
            try await withServer(routes: { $0.collecting("/", .async) }) { live in
                let client = try live.connect()
                try client.send(Self.head(framing))
                let answer = try client.answer()
                #expect(answer.status == 200)
                #expect(!answer.closes)
            }
        }

        @Test("HTTP/1.0 knows no expectations")
        func http10() async throws {
            try await withServer(routes: { $0.collecting("/", .async) }) { live in
                let client = try live.connect()
                try client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
                #expect(try client.answer().text == "abc")
            }
        }

        @Test("any other expectation is 417")
        func unknown() async throws {
            try await withServer(routes: { $0.collecting("/", .async) }) { live in
                let answer = try live.refusal(of: Self.head("Content-Length: 3", expect: "miracles"))
                #expect(answer.status == 417)
            }
        }
    }
}
