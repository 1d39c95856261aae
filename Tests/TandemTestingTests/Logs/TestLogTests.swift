import Logging
import TandemHTTP
import TandemTesting
import Testing

@Suite(.timeLimit(.minutes(1)))
struct TestLogTests {
    @Test func `entries have the metadata of the line and of the logger`() {
        let log = TestLog()
        var logger = log.logger
        logger[metadataKey: "who"] = "logger"
        logger[metadataKey: "where"] = "here"
        logger.debug("one", metadata: ["who": "line"])
        log.logger.error("two")
        #expect(log.entries.map(\.message) == ["one", "two"])
        #expect(log.entries("one").map(\.metadata) == [["who": "line", "where": "here"]])
        #expect(log.entries.map(\.level) == [.debug, .error])
        #expect(log.entries[0].description == "debug: one where=here who=line")
    }

    @Test func `an access log keeps what was served`() async throws {
        let log = TestAccessLog()
        var configuration = HTTPServerConfiguration()
        configuration.accessLog = log
        let router = Router()
        router.get("/{name}") { _ in Response(text: "ok") }
        try await withTestServer(router, configuration: configuration) { client in
            for path in ["/a", "/b", "/a?x"] { _ = try await client.get(path) }
        }
        #expect(log.entries.map(\.target) == ["/a", "/b", "/a?x"])
        #expect(log.entries("/a").map(\.route) == ["/{name}"])
        #expect(log.entries.allSatisfy { $0.style == .blocking && $0.status == 200 })
    }
}
