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

    @Test func `interim responses are part of the final one, or returned by themselves`() async throws {
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

    @Test func `a client that sends FIN is still answered, and the server does not wait for one that resets`() async throws {
        for setup in [TestSetup.unix, .live] {
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

    @Test func `a body is received chunk by chunk, and raw bytes until the end`() async throws {
        let router = Router()
        router.get("/") { _ async in
            Response(streaming: { writer in for text in ["one", "three"] { try await writer.write(Array(text.utf8)) } })
        }
        try await withTestServer(router) { client in
            try await client.withConnection { connection in
                try await connection.send(.get, "/")
                #expect(try await connection.receiveHead()[.transferEncoding] == "chunked")
                #expect(try await connection.receiveChunk() == Array("one".utf8))
                #expect(try await connection.receiveChunk() == Array("three".utf8))
                #expect(try await connection.receiveChunk() == nil)
                try await connection.send(.get, "/", headers: [.connection: "close"])
                _ = try await connection.receiveHead()
                let rest = try await connection.receiveUntilEnd()
                #expect(String(decoding: rest, as: UTF8.self) == "3\r\none\r\n5\r\nthree\r\n0\r\n\r\n")
            }
        }
    }

    @Test func `bytes are received up to a text, and the end before it is an error`() async throws {
        try await withTestServer(echo()) { client in
            try await client.withConnection { connection in
                try await connection.send(.post, "/collect", headers: [.connection: "close"], body: "one, two")
                let head = try await connection.receive(until: "\r\n\r\n")
                #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(try await connection.receive(until: "one") == "one")
                await #expect(throws: TestClientError(.cutShort)) { try await connection.receive(until: "three") }
                #expect(try await connection.receiveUntilEnd() == Array(", two".utf8))
            }
        }
    }

    @Test func `input is announced before it is read`() async throws {
        try await withTestServer(echo()) { client in
            let connection = try await client.connect()
            #expect(try await connection.hasInput(within: .milliseconds(5)) == false)
            try await connection.send(.post, "/collect", body: "x")
            for _ in 0..<2 { #expect(try await connection.hasInput(within: .seconds(10))) }
            #expect(try await connection.receiveResponse(to: .post).text == "x")
            try await connection.send("NONSENSE\r\n\r\n")
            _ = try await connection.receiveUntilEnd()
            #expect(try await connection.hasInput(within: .seconds(10)), "the end counts too")
        }
    }

    @Test func `a server that reads nothing blocks its client, and a wait that is too long is an error`() async throws {
        let event = Event<Void>()
        let router = Router()
        router.post("/") { request in
            try await event.wait()
            return Response(text: "\(try await request.body.collect(upTo: 1 << 24).count)")
        }
        try await withTestServer(router, .live) { client in
            let connection = try await client.connect(TestConnectionOptions(timeout: .milliseconds(50), sendBuffer: 65_536))
            let body = [UInt8](repeating: 7, count: 16_000_000)
            try await connection.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
            let sent = try await connection.sendUntilBlocked(body, quiet: .milliseconds(50))
            #expect(sent < body.count)
            await #expect(throws: TestClientError(.timedOut)) { try await connection.send(body[sent...]) }
            await #expect(throws: TestClientError(.timedOut)) { try await connection.receiveResponse(to: .post) }
        }
    }

    @Test func `a reset is an error, or the end when the test says so`() async throws {
        let router = Router()
        // To an HTTP/1.0 client, only a reset can show that the answer is incomplete.
        router.get("/") { _ async in
            Response(streaming: { writer in
                try await writer.write([1])
                try await writer.flush()
                throw TandemError(.closed, "no more")
            })
        }
        try await withTestServer(router, .live) { client in
            for _ in 0..<2 {
                let connection = try await client.connect()
                try await connection.send("GET / HTTP/1.0\r\n\r\n")
                await #expect(throws: TestClientError(.reset)) { try await connection.receiveUntilEnd() }
            }
            let connection = try await client.connect()
            try await connection.send("GET / HTTP/1.0\r\n\r\n")
            _ = try await connection.receiveUntilEnd(orReset: true)
        }
    }

    @Test func `a client connects to a server by IPv4 and IPv6, from a chosen address, and to a unix socket`() async throws {
        let directory = TemporaryDirectory()
        let router = Router()
        router.get("/") { request async in Response(text: request.remoteAddress) }
        var configuration = HTTPServerConfiguration()
        configuration.addresses = [.tcp("127.0.0.1", port: 0), .tcp("::1", port: 0), .unix(directory.path + "/s")]
        let server = HTTPServer(router: router, configuration: configuration)
        let running = Task { try await server.run() }
        let ports = try await server.boundAddresses().compactMap(\.port)
        let addresses: [(TestAddress, TestConnectionOptions, String)] = [
            (.tcp(port: ports[0]), TestConnectionOptions(), "127.0.0.1:"),
            (.tcp(port: ports[0]), TestConnectionOptions(source: "127.0.0.9"), "127.0.0.9:"),
            (.tcp("::1", port: ports[1]), TestConnectionOptions(), "[::1]:"), (.unix(directory.path + "/s"), .init(), "unix"),
        ]
        for (address, options, peer) in addresses {
            let client = TestClient(to: address, options)
            let text = try await client.get("/").text
            #expect(text.hasPrefix(peer))
            #expect(client.port == (peer == "unix" ? 0 : ports[peer.hasPrefix("[") ? 1 : 0]))
            await client.close()
        }
        server.stop()
        try await running.value
    }

    @Test func `a client that cannot connect says so`() async throws {
        let router = Router()
        let port = try await withTestServer(router, .live) { $0.port }
        for address in [TestAddress.tcp(port: port), .unix("/nowhere/s"), .tcp("localhost", port: 1)] {
            let error = await #expect(throws: TestClientError(.notConnected)) { try await TestConnection.connect(to: address) }
            #expect(error?.message.contains(address.description) == true)
        }
    }

    @Test func `a connection that the test drops is closed`() async throws {
        try await withTestServer(echo(), .live) { client in
            for _ in 0..<3 {
                let connection = try await TestConnection.connect(to: .tcp(port: client.port))
                try await connection.send(.post, "/collect", body: "x")
                #expect(try await connection.receiveResponse(to: .post).text == "x")
            }
        }
    }
}
