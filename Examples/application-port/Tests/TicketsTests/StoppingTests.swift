import Tandem
import TandemHTTP
import TandemTesting
import Testing
import TicketModel

/// SIGTERM, in every stage.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct StoppingTests {
    @Test(arguments: Stage.allCases)
    func `requests in flight are answered after SIGTERM`(stage: Stage) async throws {
        try await withExchange(stage) { client, exchange, service in
            _ = try await client.create("a")
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<5 {
                    group.addTask { try await client.get("/tickets/1/price?currency=SLW").decoded(as: Price.self).hundredths }
                }
                for _ in 0..<5 { try await exchange.waitUntilAsked() }
                try await service.terminate()
                try await waitUntilRefused(client)
                exchange.release()
                for try await price in group { #expect(price == 2_400) }
            }
        }
    }

    @Test(arguments: Stage.allCases)
    func `an upload and a download in flight are completed after SIGTERM`(stage: Stage) async throws {
        try await withService(stage) { client, service, directory in
            _ = try await client.create("a")
            let bytes = makeBytes(4_000_000)
            _ = try await client.put(bytes, to: "/tickets/1/attachment")
            let upload = try await client.connect()
            try await upload.send(
                "PUT /tickets/1/attachment HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n")
            #expect(try await upload.receiveHead(to: .put, interim: true).status.code == 100)
            let download = try await client.connect()
            try await download.send(.get, "/tickets/1/attachment")
            let head = try await download.receiveHead()
            #expect(head.status == .ok)
            try await service.terminate()
            try await waitUntilRefused(client)
            var received: [UInt8] = []
            while let piece = try await download.receivePiece() { received += piece }
            #expect(received == bytes)
            try await upload.send("abcdef")
            #expect(try await upload.receiveResponse(to: .put).decoded(as: TicketAttachment.self).bytes == 6)
            for connection in [upload, download] { try await connection.close() }
            try await service.stop()
            let next = try await Service.start(stage, in: directory)
            #expect(try await next.client.get("/tickets/1/attachment").text == "abcdef")
            try await next.stop()
        }
    }

    @Test(arguments: Stage.allCases)
    func `SIGTERM ends connections that carry no request`(stage: Stage) async throws {
        try await withService(stage) { client, service, _ in
            let connection = try await client.connect()
            try await connection.send(.get, "/tickets")
            #expect(try await connection.receiveResponse().status == .ok)
            try await service.terminate()
            #expect(try await connection.receiveUntilEnd(orReset: true).isEmpty)
            try await connection.close()
        }
    }
}

/// Waits until the service accepts no connection any more.
private func waitUntilRefused(_ client: TestClient) async throws {
    while true {
        let connection: TestConnection
        do { connection = try await TestConnection.connect(to: .tcp(port: client.port)) } catch is TestClientError { return }
        try await connection.close()
        try await sleep(for: .milliseconds(5))
    }
}
