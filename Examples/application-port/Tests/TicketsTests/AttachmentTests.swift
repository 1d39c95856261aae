import TandemHTTP
import TandemTesting
import Testing
import TicketModel

/// Uploads and downloads, in every stage. Both are streams.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct AttachmentTests {
    @Test(arguments: Stage.allCases)
    func `an attachment comes back as it was sent`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            _ = try await client.create("a")
            for count in [0, 1, 65_536, 8_000_001] {
                let bytes = makeBytes(count)
                let stored = try await client.put(bytes, to: "/tickets/1/attachment")
                #expect(stored.status == .ok)
                #expect(try stored.members() == ["bytes", "checksum", "ticket"])
                let attachment: TicketAttachment = try stored.decoded()
                #expect((attachment.ticket, attachment.bytes, attachment.checksum) == (1, count, checksum(bytes)))
                let read = try await client.get("/tickets/1/attachment")
                #expect(read.status == .ok)
                #expect(read[.contentType] == "application/octet-stream")
                #expect(read[.contentLength] == "\(count)")
                #expect(read[.eTag] == "\"\(checksum(bytes))\"")
                #expect(read.body == bytes)
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `an upload in chunks is stored`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            _ = try await client.create("a")
            let bytes = makeBytes(200_000)
            let chunks = [Array(bytes[..<1]), Array(bytes[1..<100_000]), Array(bytes[100_000...])]
            let stored = try await client.execute(
                .put, "/tickets/1/attachment", headers: [.transferEncoding: "chunked"], body: .chunks(chunks))
            #expect(try stored.decoded(as: TicketAttachment.self).checksum == checksum(bytes))
            #expect(try await client.get("/tickets/1/attachment").body == bytes)
        }
    }

    @Test(arguments: Stage.allCases)
    func `a client that waits for 100 is told to continue`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            _ = try await client.create("a")
            try await client.withConnection { connection in
                try await connection.send(
                    "PUT /tickets/1/attachment HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
                #expect(try await connection.receiveHead(interim: true).status.code == 100)
                try await connection.send("abc")
                #expect(try await connection.receiveResponse(to: .put).decoded(as: TicketAttachment.self).checksum == "352441c2")
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `a ticket without an attachment has none`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            _ = try await client.create("a")
            let read = try await client.get("/tickets/1/attachment")
            #expect(read.status == .notFound)
            #expect(try read.sentence() == "ticket 1 has no attachment")
            let stored = try await client.put([1], to: "/tickets/2/attachment")
            #expect(stored.status == .notFound)
            #expect(try stored.sentence() == "there is no ticket 2")
        }
    }

    @Test(arguments: Stage.allCases)
    func `an attachment of more than 16 MiB is too large`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            _ = try await client.create("a")
            try await client.withConnection { connection in
                try await connection.send("PUT /tickets/1/attachment HTTP/1.1\r\nHost: a\r\nContent-Length: 16777217\r\n\r\n")
                let answer = try await connection.receiveResponse(to: .put)
                #expect(answer.status == .contentTooLarge)
                #expect(try answer.members() == ["error"])
            }
            #expect(try await client.get("/tickets/1/attachment").status == .notFound)
        }
    }

    @Test(arguments: Stage.allCases)
    func `an upload that is cut short leaves the old attachment`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            _ = try await client.create("a")
            let bytes = makeBytes(100_000)
            _ = try await client.put(bytes, to: "/tickets/1/attachment")
            try await client.withConnection { connection in
                try await connection.send("PUT /tickets/1/attachment HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc")
                try await connection.close(reset: true)
            }
            #expect(try await client.get("/tickets/1/attachment").body == bytes)
        }
    }

    @Test(arguments: Stage.allCases)
    func `many attachments at once are not mixed up`(stage: Stage) async throws {
        try await withService(stage) { client, _, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...12 {
                    group.addTask {
                        let ticket = try await client.create("\(number)")
                        let bytes = makeBytes(100_000 + number)
                        let path = "/tickets/\(ticket.id)/attachment"
                        #expect(try await client.put(bytes, to: path).status == .ok)
                        #expect(try await client.get(path).body == bytes)
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
