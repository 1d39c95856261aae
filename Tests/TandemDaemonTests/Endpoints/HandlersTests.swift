import Foundation
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// The endpoints over real sockets, each in both styles.
@Suite(.timeLimit(.minutes(1)))
struct HandlersTests {
    private func object(_ response: TestResponse) throws -> [String: Any] {
        #expect(response.headers[.contentType] == "application/json")
        return try #require(JSONSerialization.jsonObject(with: Data(response.body)) as? [String: Any])
    }

    @Test(arguments: Style.allCases)
    func `plaintext, json and healthz send constant responses`(style: Style) async throws {
        try await withService { service async throws in
            let plaintext = try await service.get("/\(style)/plaintext")
            #expect(plaintext.text == "Hello, World!")
            #expect(plaintext.headers[.contentType] == "text/plain; charset=utf-8")
            #expect(try await service.get("/\(style)/json").text == #"{"message":"Hello, World!"}"#)
            #expect(try await service.get("/healthz").text == "ok")
        }
    }

    @Test(arguments: Style.allCases)
    func `sleep waits as long as the client asks`(style: Style) async throws {
        try await withService { service async throws in
            let stopwatch = Stopwatch()
            #expect(try await service.get("/\(style)/sleep?ms=50").text == "ok")
            #expect(stopwatch.elapsed >= .milliseconds(50))
            #expect(try await service.get("/\(style)/sleep?ms=0").text == "ok")
        }
    }

    @Test(arguments: Style.allCases)
    func `invalid parameters get 400 with an explanation`(style: Style) async throws {
        try await withService { service async throws in
            for target in [
                "sleep", "sleep?ms=", "sleep?ms=-1", "sleep?ms=600001", "sleep?ms=%2B5", "sleep?ms=0x5", "sleep?ms=1&ms=1",
                "sleep?ms=%zz",
                "stream?chunks=1&bytes=1", "stream?chunks=100001&bytes=1&ms=0", "stream?chunks=1&bytes=1048577&ms=0",
                "bridge?depth=1001", "bridge?depth=-1", "bridge?depth=", "fetch", "fetch?url=", "fetch?url=a&url=b", "fanout",
                "fanout?" + Array(repeating: "url=\(service.origin)", count: 65).joined(separator: "&"),
            ] {
                let answer = try await service.get("/\(style)/\(target)")
                #expect(answer.status == .badRequest, "\(target)")
                #expect(answer.text.count > 20 && answer.text.hasSuffix("\n"), "\(answer.text)")
            }
        }
    }

    @Test(arguments: Style.allCases)
    func `echo streams the body back`(style: Style) async throws {
        try await withService { service async throws in
            let body = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let headers: HTTPFields = [.contentType: "application/x-test"]
            let answer = try await service.client.post("/\(style)/echo", headers: headers, body: .bytes(body))
            #expect(answer.body == body)
            #expect(answer.headers[.contentType] == "application/x-test")
            #expect(try await service.client.post("/\(style)/echo", headers: headers, body: []).body == [])
        }
    }

    @Test(arguments: Style.allCases)
    func `echo sends 100 to a client that expects it`(style: Style) async throws {
        try await withService { service async throws in
            try await service.client.withConnection { connection in
                try await connection.send(.post, "/\(style)/echo", headers: [.expect: "100-continue", .contentLength: "5"])
                // The head of the streamed response may follow at once.
                #expect(try await connection.receive(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
                try await connection.send("hello")
                let answer = try await connection.receiveResponse(to: .post)
                #expect(answer.status == .ok && answer.text == "hello")
            }
        }
    }

    @Test(arguments: Style.allCases)
    func `stream sends every chunk`(style: Style) async throws {
        try await withService { service async throws in
            let stopwatch = Stopwatch()
            #expect(try await service.get("/\(style)/stream?chunks=3&bytes=4&ms=20").text == "...\n...\n...\n")
            #expect(stopwatch.elapsed >= .milliseconds(40))
            #expect(try await service.get("/\(style)/stream?chunks=0&bytes=4&ms=20").body == [])
            #expect(try await service.get("/\(style)/stream?chunks=5&bytes=0&ms=0").body == [])
            #expect(try await service.get("/\(style)/stream?chunks=2&bytes=1048576&ms=0").body.count == 2_097_152)
        }
    }

    @Test func `both styles run on the same thread`() async throws {
        try await withService(configure: { $0.http.hubs = 1 }) { service async throws in
            let blocking = try object(await service.get("/blocking/whoami"))
            let async = try object(await service.get("/async/whoami"))
            #expect(blocking["style"] as? String == "blocking")
            #expect(async["style"] as? String == "async")
            #expect(blocking["osThread"] as? Int == async["osThread"] as? Int)
            #expect(blocking["hub"] as? Int == 0)
            #expect(blocking["greenThread"] is Int)
            #expect(async["greenThread"] is NSNull)
        }
    }

    @Test(arguments: Style.allCases)
    func `the bridge calls the other style`(style: Style) async throws {
        try await withService { service async throws in
            let other: Style = style == .blocking ? .async : .blocking
            #expect(try await service.get("/\(style)/bridge").text.hasPrefix("\(other) code waited once"))
        }
    }

    @Test(arguments: Style.allCases, [0, 1, 50, 1_000])
    func `task-locals cross every bridge`(style: Style, depth: Int) async throws {
        try await withService { service async throws in
            let answer = try object(await service.get("/\(style)/bridge?depth=\(depth)"))
            let levels = try #require(answer["levels"] as? [[String: String]])
            #expect(levels.count == depth)
            for (index, level) in levels.enumerated() {
                let isHandlersOwn = index.isMultiple(of: 2)
                #expect((level["style"] == style.rawValue) == isHandlersOwn)
                #expect(level["taskLocal"] == "level-\(index + 1)")
            }
        }
    }

    @Test func `two hundred blocking handlers wait on one thread`() async throws {
        let goOn = Event<Void>()
        try await withService(
            configure: { $0.http.hubs = 1 },
            routes: { router in
                router.get("/wait") { _ in
                    try goOn.wait(); return ok
                }
                router.get("/green-threads") { _ async in Response(text: String(Hub.current!.statistics.greenThreads)) }
            }
        ) { service async throws in
            try await withThrowingTaskGroup { group in
                for _ in 0..<200 {
                    group.addTask { _ = try await service.get("/wait") }
                }
                while try await service.get("/green-threads").text != "200" {}
                goOn.send(())
                try await group.waitForAll()
            }
        }
    }
}
