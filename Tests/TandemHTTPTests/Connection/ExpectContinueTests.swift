import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct ExpectContinueTests {
        static func head(_ framing: String, expect: String = "100-continue") -> String {
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: \(expect)\r\n\(framing)\r\n\r\n"
        }

        @Test(arguments: Style.allCases)
        func `100 Continue is sent when the handler reads the body`(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                let client = try live.connect()
                for expect in ["100-continue", "100-Continue"] {
                    try client.send(Self.head("Content-Length: 3", expect: expect))
                    #expect(try client.receiveHead(to: .post, interim: true).status == 100)
                    try client.send("abc")
                    let answer = try client.receiveResponse()
                    #expect(answer.text == "abc")
                    #expect(answer.interim.isEmpty)
                    #expect(!answer.closes)

                    try client.send(Self.head("Transfer-Encoding: chunked", expect: expect))
                    #expect(try client.receiveHead(to: .post, interim: true).status == 100)
                    try client.send("3\r\nabc\r\n0\r\n\r\n")
                    let chunked = try client.receiveResponse()
                    #expect(chunked.text == "abc")
                    #expect(chunked.interim.isEmpty)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that does not wait also gets 100 Continue, once per request`(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                let client = try live.connect()
                try client.send(Self.head("Content-Length: 3") + "abc" + Self.head("Content-Length: 3") + "def")
                for text in ["abc", "def"] {
                    let answer = try client.receiveResponse()
                    #expect(answer.interim == [.continue])
                    #expect(answer.text == text)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `an answer without reading the body is final and closes the connection`(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.post, "/", style) { _ in Response(text: "no need") }
            }) { live in
                let client = try live.connect()
                try client.send(Self.head("Content-Length: 3"))
                let answer = try client.receiveResponse()
                #expect(answer.text == "no need")
                #expect(answer.interim.isEmpty)
                #expect(answer.closes)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `a streamed answer sends 100 Continue before it begins`(style: Style) async throws {
            try await withServer(routes: { $0.echoing("/", style) }) { live in
                let client = try live.connect()
                try client.send(Self.head("Content-Length: 3"))
                #expect(try client.receiveHead(to: .post, interim: true).status == 100)
                try client.send("abc")
                let head = try client.receiveHead()
                #expect(head.status == 200)
                #expect(head.interim.isEmpty)
                #expect(!head.closes)
                #expect(try client.receiveChunk() == Array("abc".utf8))
                #expect(try client.receiveChunk() == nil)
            }
        }

        @Test(arguments: ["Content-Length: 0", "X: y"])
        func `a request without a body gets no 100 Continue`(framing: String) async throws {
            try await withServer(routes: { $0.collecting("/", .async) }) { live in
                let client = try live.connect()
                try client.send(Self.head(framing))
                let answer = try client.receiveResponse()
                #expect(answer.status == 200)
                #expect(answer.interim.isEmpty)
                #expect(!answer.closes)
            }
        }

        @Test
        func `HTTP/1.0 requests get no 100 Continue`() async throws {
            try await withServer(routes: { $0.collecting("/", .async) }) { live in
                let client = try live.connect()
                try client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
                let answer = try client.receiveResponse()
                #expect(answer.text == "abc")
                #expect(answer.interim.isEmpty)
            }
        }

        @Test
        func `any other expectation is answered with 417`() async throws {
            try await withServer(routes: { $0.collecting("/", .async) }) { live in
                let answer = try live.refusal(of: Self.head("Content-Length: 3", expect: "miracles"))
                #expect(answer.status == 417)
            }
        }
    }
}
