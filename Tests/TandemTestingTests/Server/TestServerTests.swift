import Glibc
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct TestServerTests {
    private static let setups = TestSetup.allCases

    @Test(arguments: setups)
    func `a router is tested in async style`(setup: TestSetup) async throws {
        try await withTestServer(greetings(), setup) { client in
            let response = try await client.get("/async/hello?name=Ada")
            #expect(response.status == .ok)
            #expect(response.text == "hello Ada")
            #expect(response[.contentType] == "text/plain; charset=utf-8")
            let missing = try await client.get("/nowhere")
            #expect(missing.status == .notFound)
            #expect(missing.errors.isEmpty)
        }
    }

    @Test(arguments: setups)
    func `a router is tested in blocking style, from a test function that is not async`(setup: TestSetup) throws {
        let text = try withTestServer(greetings(), setup) { client in
            #expect(try client.get("/async/hello?name=Ada").text == "hello Ada")
            return try client.get("/blocking/hello?name=Bob").text
        }
        #expect(text == "hello Bob")
    }

    @Test func `a router is tested in blocking style on a green thread too`() async throws {
        let text = try await blocking { try withTestServer(greetings()) { try $0.get("/blocking/hello?name=Ada").text } }
        #expect(text == "hello Ada")
    }

    @Test func `the test's code and its child tasks run on the server's hub`() async throws {
        try await withTestServer(greetings()) { client in
            let hub = try #require(Hub.current)
            async let one = client.get("/async/hello?name=1")
            async let other = client.get("/blocking/hello?name=2")
            let texts = try await [one.text, other.text]
            #expect(texts == ["hello 1", "hello 2"])
            #expect(Hub.current === hub)
        }
        #expect(Hub.current == nil)
    }

    @MainActor
    @Test func `a test that is isolated to an actor stays on it`() async throws {
        try await withTestServer(greetings()) { client in
            MainActor.assertIsolated()
            let text = try await client.get("/async/hello?name=Ada").text
            #expect(text == "hello Ada")
            MainActor.assertIsolated()
        }
    }

    @Test func `hours pass at once on a hub with a virtual clock`() async throws {
        try await withVirtualTime {
            try await withTestServer(greetings()) { client in
                let start = Hub.current!.now
                for style in ["async", "blocking"] {
                    let text = try await client.get("/\(style)/hour").text
                    #expect(text == "slept")
                }
                #expect(Hub.current!.now - start == .seconds(7_200))
                #expect(await client.connectionsOpened() == 1)
            }
        }
    }

    @Test func `the server's own timeouts use the virtual clock too`() async throws {
        try await withVirtualTime {
            try await withTestServer(greetings()) { client in
                let start = Hub.current!.now
                try await client.withConnection { connection in
                    try await connection.send("GET / HTTP/1.1\r\n")
                    let response = try await connection.receiveResponse()
                    #expect(response.status == .requestTimeout)
                }
                #expect(Hub.current!.now - start >= HTTPServerConfiguration().headerTimeout)
            }
        }
    }

    @Test func `withTestServer throws the error that its body throws`() async throws {
        struct Own: Error {}
        await #expect(throws: Own.self) { try await withTestServer(greetings()) { _ in throw Own() } }
        #expect(throws: Own.self) { try withTestServer(greetings()) { (_) throws -> Void in throw Own() } }
    }

    @Test func `an abandoned request is cancelled, and leaves nothing`() async throws {
        for style in ["async", "blocking"] {
            let log = Log()
            let isServed = Event<Void>()
            let router = greetings(onHour: { isServed.send(()) }, onCancel: { log.add(style) })
            try await withTestServer(router) { client in
                try await client.withConnection { connection in
                    try await connection.send(.get, "/\(style)/hour")
                    try await isServed.wait()
                }
            }
            #expect(log.all == [style])
        }
    }

    @Test func `a green thread that a handler leaves behind fails the test, and is named`() async throws {
        // On the virtual clock the wait of five seconds takes no time.
        let error = await #expect(throws: LeftBehind.self) {
            try await withVirtualTime {
                let router = Router()
                router.get("/leak") { _ async in
                    GreenThread(name: "forgotten") { try sleep(for: .seconds(3_600)) }
                    return Response(text: "ok")
                }
                try await withTestServer(router) { client in _ = try await client.get("/leak") }
            }
        }
        #expect(error?.what == "1 green thread(s), 1 task(s)")
        #expect(error?.description.contains("\"forgotten\"") == true)
    }

    @Test func `no descriptor of the process is left`() async throws {
        try await withTestServer(greetings()) { client in _ = try await client.get("/async/hello?name=1") }
        let before = openDescriptors()
        for setup in Self.setups {
            try await withTestServer(greetings(), setup) { client in
                async let one = client.get("/async/hello?name=1")
                async let other = client.get("/blocking/hello?name=2")
                _ = try await (one, other)
            }
        }
        #expect(openDescriptors() == before)
    }
}

/// Returns a router with the same routes in both styles.
func greetings(
    onHour: @escaping @Sendable () -> Void = {}, onCancel: @escaping @Sendable () -> Void = {}
) -> Router {
    let router = Router()
    router.get("/async/hello") { request async throws in Response(text: "hello \(try request.query["name"] ?? "")") }
    router.get("/blocking/hello") { Response(text: "hello \(try $0.query["name"] ?? "")") }
    router.get("/async/hour") { _ in
        onHour()
        do { try await sleep(for: .seconds(3_600)) } catch {
            onCancel()
            throw error
        }
        return Response(text: "slept")
    }
    router.get("/blocking/hour") { _ in
        onHour()
        do { try sleep(for: .seconds(3_600)) } catch {
            onCancel()
            throw error
        }
        return Response(text: "slept")
    }
    return router
}

/// Returns how many descriptors this process has open.
private func openDescriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
}
