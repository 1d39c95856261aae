import TandemHTTP
import TandemTesting
import Testing
import TicketModel

/// HTTP itself, in every stage.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct ProtocolTests {
    @Test(arguments: Stage.allCases)
    func `a method that a path does not have is refused with those that it has`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            for (method, path, allowed) in [
                (HTTPRequest.Method.delete, "/tickets", ["GET", "HEAD", "POST"]), (.post, "/tickets/1", ["GET", "HEAD"]),
                (.put, "/tickets/1/price", ["GET", "HEAD"]), (.post, "/tickets/1/attachment", ["GET", "HEAD", "PUT"]),
            ] {
                let answer = try await client.execute(method, path)
                #expect(answer.status == .methodNotAllowed)
                #expect(try answer.members() == ["error"])
                let methods = (answer[.allow] ?? "").split(separator: ",").map { $0.filter { $0 != " " } }
                #expect(Set(allowed).isSubset(of: methods), "\(methods)")
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `HEAD answers as GET does, without the body`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            _ = try await client.create("a")
            _ = try await client.put(makeBytes(100_000), to: "/tickets/1/attachment")
            for path in ["/tickets/1", "/tickets/1/attachment", "/tickets/2"] {
                let (head, get) = (try await client.execute(.head, path), try await client.get(path))
                #expect(head.status == get.status)
                #expect(head.body.isEmpty)
                #expect(head[.contentLength] == get[.contentLength])
                #expect(head[.contentType] == get[.contentType])
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `a connection carries many requests`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            for number in 1...10 {
                let ticket = try await client.create("\(number)")
                #expect(ticket.id == number)
                #expect(try await client.get("/tickets/\(number)").status == .ok)
            }
            #expect(try await client.get("/tickets/11").status == .notFound)
            #expect(try await client.get("/tickets?limit=x").status == .badRequest)
            #expect(await client.connectionsOpened() == 1)
        }
    }

    @Test(arguments: Stage.allCases)
    func `pipelined requests are answered in their order`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            for number in 1...3 { _ = try await client.create("\(number)") }
            try await client.withConnection { connection in
                let requests = (1...3).map { "GET /tickets/\($0) HTTP/1.1\r\nHost: a\r\n\r\n" }
                try await connection.send(requests.joined())
                for number in 1...3 { #expect(try await connection.receiveResponse().decoded(as: Ticket.self).id == number) }
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `a connection is closed when the client asks for it`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            try await client.withConnection { connection in
                try await connection.send("GET /tickets HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                #expect(try await connection.receiveResponse().status == .ok)
                #expect(try await connection.receiveUntilEnd().isEmpty)
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `a malformed request is refused, and its connection closed`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            for head in [
                "NONSENSE\r\n\r\n", "GET /tickets HTTP/1.1\r\n\r\n", "GET /tickets HTTP/1.1\r\nHost: a\r\nx\r\n\r\n",
                "POST /tickets HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
            ] {
                try await client.withConnection { connection in
                    try await connection.send(head)
                    #expect(try await connection.receiveResponse().status == .badRequest, "\(head)")
                    #expect(try await connection.receiveUntilEnd().isEmpty)
                }
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `a client that sends slowly is answered`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            try await client.withConnection { connection in
                let body = #"{"title":"slow","cents":1}"#
                let text =
                    "POST /tickets HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                    + body
                for byte in text.utf8 { try await connection.send([byte]) }
                #expect(try await connection.receiveResponse(to: .post).decoded(as: Ticket.self).title == "slow")
            }
        }
    }
}
