import TandemHTTP  // hidden
import Testing  // hidden
import Tandem
import TandemTesting

func sleepAsAsked(by request: Request) async throws -> Response {  // hidden
    try await sleep(for: .seconds(Int(try request.query["seconds"]!)!))  // hidden
    return Response()  // hidden
}  // hidden

@Test func `virtual time takes no time`() async throws {  // hidden
    try await withVirtualTime {
        let start = Hub.current!.now
        await #expect(throws: TandemError(.timedOut, "")) {
            try await withTimeout(.seconds(3600)) { try await Event<Void>().wait() }
        }
        #expect(Hub.current!.now - start == .seconds(3600))  // and no time has passed
    }

    try await withVirtualTime {
        try await withTestServer(makeRouter()) { client in  // handlers and the server's own deadlines go by that clock
            let response = try await client.get("/sleep?seconds=3600")
            #expect(response.status == .ok)
        }
    }
}
