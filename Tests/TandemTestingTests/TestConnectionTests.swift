import HTTPTypes
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct TestConnectionTests {
    private func echo() -> Router {
        let router = Router()
        router.post("/echo") { request async in
            Response(streaming: { writer in
                try await writer.flush()
                for try await piece in request.body { try await writer.write(piece) }
            })
        }
        router.post("/collect") { Response(body: try $0.body.collect(upTo: 100)) }
        return router
    }

    @Test func `a stream is read while it is written`() async throws {
        try await withTestServer(echo()) { client in
            try await client.withConnection { connection in
                try await connection.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
                #expect(try await connection.receiveHead().status == .ok)
                for text in ["one", "two", "three"] {
                    try await connection.send("\(text.utf8.count)\r\n\(text)\r\n")
                    let piece = try await connection.receivePiece()
                    #expect(piece == Array(text.utf8))
                }
                try await connection.send("0\r\n\r\n")
                #expect(try await connection.receivePiece() == nil)
            }
        }
    }

    @Test func `pipelined requests are answered in order, and garbage is refused`() async throws {
        try await withTestServer(echo()) { client in
            try await client.withConnection { connection in
                let request = "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
                try await connection.send("\(request)1\(request)2\u{1}\r\n\r\n")
                #expect(try await connection.receiveResponse().text == "1")
                #expect(try await connection.receiveResponse().text == "2")
                let refusal = try await connection.receiveResponse()
                #expect(refusal.status == .badRequest && refusal.closes)
                #expect(try await connection.receiveUntilEnd().isEmpty)
            }
        }
    }

    @Test func `interim responses come before the final one, or by themselves`() async throws {
        let head = "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        try await withTestServer(echo()) { client in
            try await client.withConnection { connection in
                try await connection.send(head)
                #expect(try await connection.receiveHead(interim: true).status == .continue)
                try await connection.send("ab")
                #expect(try await connection.receiveResponse(to: .post).text == "ab")
                try await connection.send(head + "cd")
                let response = try await connection.receiveResponse(to: .post)
                #expect(response.text == "cd")
            }
        }
    }

    @Test func `a client that ends its side is still answered, and one that resets is not waited for`() async throws {
        for setup in [TestSetup.inProcess, .live] {
            try await withTestServer(echo(), setup) { client in
                try await client.withConnection { connection in
                    try await connection.send(.post, "/collect", body: "x")
                    try await connection.endSending()
                    #expect(try await connection.receiveResponse(to: .post).text == "x")
                    #expect(try await connection.receiveUntilEnd().isEmpty)
                }
                try await client.withConnection { connection in
                    try await connection.send("POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
                    try await connection.close(reset: true)
                }
            }
        }
    }
}
