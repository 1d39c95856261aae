import Partner
import Tandem
import Testing

/// What the two kinds of handlers have in common, and what a thread pool cannot do. Counts only: nothing depends on how fast the
/// machine is.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct ServerTests {
    typealias Executor = ServerProcess.Executor
    typealias Answer = ServerProcess.Answer

    @Test(arguments: Executor.allCases) func `both kinds of handlers give the same answers`(executor: Executor) async throws {
        try await ServerProcess.run(executor) { (server) async throws in
            for path in ["rates", "watched", "first", "quotes", "nested"] {
                let expected = ["quotes": "95\n", "nested": "186\n"][path] ?? "93\n"
                #expect(try await server.get("/pool/\(path)/CHF") == Answer(status: 200, text: expected))
                #expect(try await server.get("/tandem/\(path)/CHF") == Answer(status: 200, text: expected))
            }
        }
    }

    @Test(arguments: Executor.allCases) func `errors reach the handler by value`(executor: Executor) async throws {
        try await ServerProcess.run(executor) { (server) async throws in
            for path in ["rates", "watched", "first", "quotes", "nested"] {
                let unknown = Answer(status: 404, text: "unknown currency: XXX\n")
                #expect(try await server.get("/pool/\(path)/XXX") == unknown)
                #expect(try await server.get("/tandem/\(path)/XXX") == unknown)
            }
            await server.partner.stop()
            let unavailable = Answer(status: 502, text: "the partner is unavailable: errno 111\n")
            #expect(try await server.get("/pool/rates/CHF") == unavailable)
            #expect(try await server.get("/tandem/rates/CHF") == unavailable)
        }
    }

    @Test(arguments: Executor.allCases) func `task-locals cross the bridges, not the pool`(executor: Executor) async throws {
        try await ServerProcess.run(executor) { (server) async throws in
            #expect(try await server.get("/tandem/caller", caller: "ada").text == "ada ada\n")
            #expect(try await server.get("/pool/caller", caller: "ada").text == "nobody nobody\n")
        }
    }

    @Test func `500 blocking calls wait at once without a thread each`() async throws {
        for executor in Executor.allCases {
            try await ServerProcess.run(executor, ["--pool", "1"]) { (server) async throws in
                server.partner.hold()
                async let answers = server.get("/tandem/rates/CHF", times: 500)
                try await server.partner.wait { $0.waiting == 500 }
                // The loops of NIO, Swift's threads, the hubs, one thread of the pool.
                let threads = try server.threads
                #expect(threads < 64, "\(threads) threads")
                server.partner.release()
                let unique = Set(try await answers)
                #expect(unique == [Answer(status: 200, text: "93\n")])
                #expect(server.partner.counts.highWater == 500)
            }
        }
    }

    @Test func `a pool of 64 threads has 64 blocking calls wait at once`() async throws {
        try await ServerProcess.run(.swift, ["--pool", "64"]) { (server) async throws in
            server.partner.hold()
            async let answers = server.get("/pool/rates/CHF", times: 500)
            try await server.partner.wait { $0.waiting == 64 }
            #expect(try server.threads > 64)
            server.partner.release()
            let unique = Set(try await answers)
            #expect(unique == [Answer(status: 200, text: "93\n")])
            #expect(server.partner.counts.highWater == 64)
        }
    }

    @Test(arguments: Executor.allCases) func `a client that leaves ends a green call`(executor: Executor) async throws {
        try await ServerProcess.run(executor) { (server) async throws in
            server.partner.hold()
            let stream = try await server.begin("/tandem/watched/CHF")
            try await server.partner.wait { $0.waiting == 1 }
            stream.close()
            // The C library's recv(2) returns ECANCELED, and the library closes its connection.
            try await server.partner.wait { $0.left == 1 && $0.waiting == 0 }
        }
    }

    @Test func `a client that leaves does not end a call on the pool`() async throws {
        try await ServerProcess.run(.swift, ["--pool", "1"]) { (server) async throws in
            server.partner.hold()
            let stream = try await server.begin("/pool/watched/CHF")
            try await server.partner.wait { $0.waiting == 1 }
            stream.close()
            // The server handles other requests, but the one thread is taken: this call only begins when the first has its answer.
            async let next = server.get("/pool/rates/CHF")
            for _ in 0..<20 { #expect(try await server.get("/nothing").text == "0\n") }
            server.partner.release()
            #expect(try await next.text == "93\n")
            #expect(server.partner.counts.left == 0)
            #expect(server.partner.counts.highWater == 1)
        }
    }

    @Test(arguments: Executor.allCases) func `a task group ends a green call that it cancels`(executor: Executor) async throws {
        try await ServerProcess.run(executor) { (server) async throws in
            server.partner.hold()
            async let answer = server.get("/tandem/first/CHF")
            try await server.partner.wait { $0.waiting == 2 }
            server.partner.releaseOne()
            // The answer comes while the other call is held, and that call's connection is closed.
            #expect(try await answer.text == "93\n")
            try await server.partner.wait { $0.left == 1 && $0.waiting == 0 }
        }
    }

    @Test func `a task group waits for a call on the pool that it has cancelled`() async throws {
        try await ServerProcess.run(.swift, ["--pool", "2"]) { (server) async throws in
            server.partner.hold()
            async let answer = server.get("/pool/first/CHF")
            try await server.partner.wait { $0.waiting == 2 }
            server.partner.releaseOne()
            for _ in 0..<20 { #expect(try await server.get("/nothing").text == "0\n") }
            server.partner.release()
            #expect(try await answer.text == "93\n")
            #expect(server.partner.counts.left == 0)
        }
    }

    @Test func `work on a pool that waits for the same pool exhausts it`() async throws {
        try await ServerProcess.run(.swift, ["--pool", "2", "--patience-ms", "300"]) { (server) async throws in
            server.partner.hold()
            async let answers = server.get("/pool/nested/CHF", times: 2)
            try await server.partner.wait { $0.waiting == 2 }
            // Both threads now wait for work that no thread is left to do. When the first gives up, its thread begins that work, which
            // is held: it cannot end before the other gives up too.
            server.partner.releaseOne()
            server.partner.releaseOne()
            let exhausted = Answer(status: 503, text: "every thread of the pool waits for the pool\n")
            #expect(try await answers == [exhausted, exhausted])
        }
    }

    @Test(arguments: Executor.allCases) func `green code that waits for green code exhausts nothing`(executor: Executor)
        async throws
    {
        try await ServerProcess.run(executor, ["--pool", "2"]) { (server) async throws in
            server.partner.hold()
            async let answers = server.get("/tandem/nested/CHF", times: 200)
            try await server.partner.wait { $0.waiting == 200 }
            server.partner.release()
            let unique = Set(try await answers)
            #expect(unique == [Answer(status: 200, text: "186\n")])
        }
    }

    @Test(arguments: Executor.allCases) func `green code that awaits a NIO client holds no thread`(executor: Executor)
        async throws
    {
        try await ServerProcess.run(executor, ["--pool", "1"]) { (server) async throws in
            let answers = Set(try await server.get("/tandem/quotes/CHF", times: 200))
            #expect(answers == [Answer(status: 200, text: "95\n")])
            // 100 pieces of blocking code wait for async code at the same time.
            server.partner.hold("MARGIN")
            async let held = server.get("/tandem/quotes/CHF", times: 100)
            try await server.partner.wait { $0.requests == 600 && $0.waiting == 100 }
            #expect(try server.threads < 64)
            server.partner.release()
            let unique = Set(try await held)
            #expect(unique == [Answer(status: 200, text: "95\n")])
        }
    }

    @Test func `blocking code that awaits holds a thread of the pool`() async throws {
        try await ServerProcess.run(.swift, ["--pool", "1"]) { (server) async throws in
            let answers = Set(try await server.get("/pool/quotes/CHF", times: 20))
            #expect(answers == [Answer(status: 200, text: "95\n")])
            #expect(server.partner.counts.highWater == 1)
        }
    }

    @Test func `on a hub, a call of blocking code changes no thread`() async throws {
        for executor in [Executor.hub, .twoHubs] {
            try await ServerProcess.run(executor) { (server) async throws in
                for _ in 0..<20 {
                    let threads = Set(try await threads(of: "/tandem/threads", server))
                    #expect(threads.count == 1)
                }
            }
        }
        // Elsewhere it runs on another thread, as on a pool.
        try await ServerProcess.run(.swift) { (server) async throws in
            for path in ["/tandem/threads", "/pool/threads"] {
                let threads = try await threads(of: path, server)
                #expect(threads[0] != threads[1] && threads[1] != threads[2])
            }
        }
    }

    /// The OS threads of the handler, of the blocking code, and of the handler again.
    private func threads(of path: String, _ server: ServerProcess) async throws -> [Int] {
        let threads = try await server.get(path).text.split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
        guard threads.count == 3 else { throw Unexpected(text: "\(threads)") }
        return threads
    }
}
