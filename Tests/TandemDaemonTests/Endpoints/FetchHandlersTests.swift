import Foundation
import Synchronization
import Tandem
import TandemFetch
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

/// fetch and fanout, in both styles.
@Suite(.timeLimit(.minutes(1)))
struct FetchHandlersTests {
    @Test(arguments: Style.allCases)
    func `one thread fetches from itself`(style: Style) async throws {
        try await withService { service async throws in
            for other in Style.allCases {
                let stopwatch = Stopwatch()
                let url = "http://localhost:\(service.port)/\(other)/sleep?ms=100"
                let answer = try await service.get(service.fetchPath(style, url))
                #expect(answer.text == "ok")
                #expect(stopwatch.elapsed >= .milliseconds(100))
            }
            // Not percent-encoded, as people type it.
            let answer = try await service.get("/\(style)/fetch?url=http://localhost:\(service.port)/async/sleep?ms=1")
            #expect(answer.text == "ok")
        }
    }

    @Test(arguments: Style.allCases)
    func `status, type and body are relayed`(style: Style) async throws {
        try await withService { service async throws in
            let missing = try await service.get(service.fetchPath(style, service.origin + "/nowhere"))
            #expect(missing.status == .notFound)
            #expect(missing.text == "nothing is at /nowhere\n")
            let json = try await service.get(service.fetchPath(style, service.origin + "/async/json"))
            #expect(json.headers[.contentType] == "application/json")
            #expect(json.headers[.xContentTypeOptions] == "nosniff")
            let long = try await service.get(
                service.fetchPath(style, service.origin + "/async/stream?chunks=50&bytes=65536&ms=0"))
            #expect(long.body.count == 50 * 65_536)
        }
    }

    @Test(arguments: Style.allCases)
    func `a refused URL gets 400 or 403`(style: Style) async throws {
        try await withService { service async throws in
            for (url, status) in [
                ("nonsense", 400), ("ftp://localhost/", 400), ("http://2130706433:\(service.port)/", 400),
                ("http://user@localhost/", 400),
                ("http://example.com/", 403), ("http://169.254.169.254/", 403), ("https://localhost:\(service.port)/", 403),
                ("http://127.0.0.1:1/", 403),
            ] {
                for endpoint in ["fetch", "fanout"] {
                    let answer = try await service.get(service.fetchPath(style, url, endpoint: endpoint))
                    #expect(answer.status.code == status, "\(url)")
                    #expect(answer.text.hasPrefix("the URL is refused: "), "\(answer.text)")
                }
            }
        }
    }

    @Test(arguments: Style.allCases)
    func `a name that resolves to a private address gets 403`(style: Style) async throws {
        let name = ProcessInfo.processInfo.hostName
        // Only where the machine's own name resolves to a loopback or private address, as it does on Debian and in containers.
        guard let host = URLHost(name), case .name(let ownName) = host, ownName != "localhost", resolvesToPrivate(ownName) else {
            return
        }
        try await withService(configure: {
            $0.fetch.allow = [Origin(scheme: .http, host: host, port: 9)]
        }) { service async throws in
            let answer = try await service.get(service.fetchPath(style, "http://\(ownName):9/"))
            #expect(answer.status == .forbidden, "\(answer.text)")
        }
    }

    @Test(arguments: Style.allCases)
    func `an upstream that fails gives 502, and one that is too slow gives 504`(style: Style) async throws {
        try await withUpstream(routes: { router in
            router.get("/slow") { _ in
                try await sleep(for: .seconds(60))
                return Response()
            }
        }) { upstream async throws in
            try await withService(configure: {
                $0.fetch.allow = [Origin("http://127.0.0.1:1")!, Origin("http://127.0.0.1:\(upstream)")!]
                $0.fetch.client.timeout = .milliseconds(100)
            }) { service async throws in
                let failed = try await service.get(service.fetchPath(style, "http://127.0.0.1:1/"))
                #expect(failed.status == .badGateway)
                let slow = try await service.get(service.fetchPath(style, "http://127.0.0.1:\(upstream)/slow"))
                #expect(slow.status == .gatewayTimeout)
                #expect(slow.text.hasPrefix("the fetch failed: "))
            }
        }
    }

    @Test(arguments: Style.allCases)
    func `redirects follow the same rules`(style: Style) async throws {
        try await withUpstream(routes: { router in
            for (path, target) in [
                ("/in", "/async/json"), ("/out", "http://169.254.169.254/latest"), ("/file", "file:///etc/passwd"),
            ] {
                router.get(path) { _ async in Response(status: .found, headers: [.location: target]) }
            }
            router.get("/async/json") { _ async in Response(text: "arrived") }
            router.get("/loop") { _ async in Response(status: .found, headers: [.location: "/loop"]) }
        }) { upstream async throws in
            try await withService(configure: {
                $0.fetch.allow = [Origin("http://127.0.0.1:\(upstream)")!]
            }) { service async throws in
                for (path, status) in [("/in", 200), ("/out", 403), ("/file", 502), ("/loop", 502)] {
                    let answer = try await service.get(service.fetchPath(style, "http://127.0.0.1:\(upstream)\(path)"))
                    #expect(answer.status.code == status, "\(path): \(answer.text)")
                }
            }
        }
    }

    @Test(arguments: Style.allCases)
    func `a body that is too long is cut off`(style: Style) async throws {
        try await withService(configure: {
            $0.fetch.client.maxResponseBytes = 1_000
        }) { service async throws in
            await #expect(throws: TestClientError.self) {
                _ = try await service.get(service.fetchPath(style, service.origin + "/async/stream?chunks=10&bytes=1000&ms=1"))
            }
            #expect(try await service.get("/healthz").text == "ok")
        }
    }

    @Test(arguments: Style.allCases)
    func `the fan-out fetches all URLs concurrently`(style: Style) async throws {
        let most = Mutex((now: 0, high: 0))
        try await withUpstream(routes: { router in
            router.get("/slow") { _ in
                most.withLock { $0 = ($0.now + 1, max($0.high, $0.now + 1)) }
                try await sleep(for: .milliseconds(300))
                most.withLock { $0.now -= 1 }
                return Response(text: "0123456789")
            }
        }) { upstream async throws in
            try await withService(configure: {
                $0.fetch.allow = [Origin("http://127.0.0.1:\(upstream)")!, Origin("http://127.0.0.1:1")!]
            }) { service async throws in
                let slow = "http://127.0.0.1:\(upstream)/slow"
                let urls = Array(repeating: slow, count: 5) + ["http://127.0.0.1:1/", service.origin + "/nowhere"]
                let target = "/\(style)/fanout?" + urls.map { "url=" + percentEncoded($0) }.joined(separator: "&")
                let answer = try await JSONSerialization.jsonObject(with: Data(service.get(target).body)) as? [String: Any]
                let results = try #require(answer?["results"] as? [[String: Any]])
                #expect(results.map { $0["url"] as? String } == urls)
                #expect(
                    results.prefix(5).allSatisfy {
                        $0["status"] as? Int == 200 && $0["bytes"] as? Int == 10 && $0["error"] == nil
                    })
                #expect(results[0]["milliseconds"] as? Double ?? 0 >= 300)
                #expect(results[5]["status"] is NSNull && results[5]["error"] is String)
                #expect(results[6]["status"] as? Int == 404)
                #expect(answer?["milliseconds"] as? Double ?? 0 >= 300)
                #expect(most.withLock { $0.high } == 5)
            }
        }
    }

    @Test(arguments: Style.allCases, ["fetch", "fanout"])
    func `a client that disconnects cancels its fetches`(style: Style, endpoint: String) async throws {
        let arrived = Event<Void>()
        let cancelled = Event<Void>()
        try await withUpstream(routes: { router in
            router.get("/slow") { _ in
                arrived.send(())
                do { try await sleep(for: .seconds(600)) } catch { cancelled.send(()) }
                return Response()
            }
        }) { upstream async throws in
            try await withService(configure: {
                $0.fetch.allow = [Origin("http://127.0.0.1:\(upstream)")!]
                $0.http.halfCloseGrace = .milliseconds(10)
            }) { service async throws in
                let target = service.fetchPath(style, "http://127.0.0.1:\(upstream)/slow", endpoint: endpoint)
                try await service.client.withConnection { connection in
                    try await connection.send(.get, target)
                    try await arrived.wait()
                }
                try await cancelled.wait()
            }
        }
    }

    @Test(arguments: Style.allCases) func `a body is streamed in both directions at once`(style: Style) async throws {
        try await withUpstream(routes: { router in
            router.post("/mirror") { request async in
                let body = request.body
                return Response(
                    headers: [.contentType: request[.contentType] ?? ""],
                    streaming: { writer in while let piece = try await body.read() { try await writer.write(piece) } })
            }
        }) { upstream async throws in
            try await withService(configure: {
                $0.fetch.allow = [Origin("http://127.0.0.1:\(upstream)")!]
            }) { service async throws in
                let path = service.fetchPath(style, "http://127.0.0.1:\(upstream)/mirror")
                let pieces = (0..<100).map { [UInt8](repeating: UInt8($0), count: 10_000) }
                let content = Array(pieces.joined())
                for body in [TestBody.chunks(pieces), .bytes(content)] {
                    let answer = try await service.client.post(path, headers: [.contentType: "text/x-test"], body: body)
                    #expect(answer.body == content && answer.headers[.contentType] == "text/x-test")
                }
            }
        }
    }

    /// A client sends through this service to an upstream that reads nothing. Only bounded buffers hold the bytes sent until
    /// then.
    @Test(arguments: Style.allCases) func `an upstream that reads nothing slows the client down`(style: Style) async throws {
        let (arrived, goOn) = (Event<Void>(), Event<Void>())
        let total = 64 * 1024 * 1024
        try await withUpstream(
            configure: { $0.maxBodyBytes = total },
            routes: { router in
                router.post("/sink") { request in
                    arrived.send(())
                    try await goOn.wait()
                    var count = 0
                    while let piece = try await request.body.read() { count += piece.count }
                    return Response(text: "\(count)")
                }
            }
        ) { upstream async throws in
            try await withService(configure: {
                $0.fetch.allow = [Origin("http://127.0.0.1:\(upstream)")!]
                $0.http.maxBodyBytes = total
            }) { service async throws in
                let target = service.fetchPath(style, "http://127.0.0.1:\(upstream)/sink")
                try await service.client.withConnection { connection in
                    try await connection.send(.post, target, headers: [.contentLength: "\(total)"])
                    try await arrived.wait()
                    let body = [UInt8](repeating: 1, count: total)
                    let sent = try await connection.sendUntilBlocked(body)
                    #expect(sent < total / 2, "\(sent)")
                    goOn.send(())
                    try await connection.send(body[sent...])
                    #expect(try await connection.receiveResponse(to: .post).text == "\(total)")
                }
            }
        }
    }

    @Test(arguments: Style.allCases) func `a fetch beyond the limits gets 503 with Retry-After`(style: Style) async throws {
        let (arrived, goOn) = (Event<Void>(), Event<Void>())
        try await withUpstream(routes: { router in
            router.get("/slow") { _ in
                arrived.send(())
                try await goOn.wait()
                return Response()
            }
        }) { upstream async throws in
            try await withService(configure: {
                $0.fetch.allow = [Origin("http://127.0.0.1:\(upstream)")!]
                // The limits apply per hub.
                $0.http.hubs = 1
                $0.fetch.client.maxExchangesPerOrigin = 1
                $0.fetch.client.maxWaitersPerOrigin = 0
            }) { service async throws in
                let path = service.fetchPath(style, "http://127.0.0.1:\(upstream)/slow")
                async let first = service.get(path)
                try await arrived.wait()
                let answer = try await service.get(path)
                #expect(answer.status == .serviceUnavailable && answer.headers[.retryAfter] == "1")
                #expect(answer.text.contains("in flight"))
                goOn.send(())
                _ = try await first
            }
        }
    }

    @Test(arguments: Style.allCases) func `a reload of the rules applies to the next fetch`(style: Style) async throws {
        try await withUpstream(routes: { router in
            router.get("/fixed") { _ async in Response(text: "arrived") }
        }) { upstream async throws in
            try await withService { service async throws in
                let path = service.fetchPath(style, "http://127.0.0.1:\(upstream)/fixed")
                let refused = try await service.get(path)
                #expect(refused.status == .forbidden)
                var fetch = DaemonConfiguration.Fetch()
                fetch.allow = [Origin("http://127.0.0.1:\(upstream)")!]
                service.context.outbound.reload(fetch)
                let arrived = try await service.get(path)
                #expect(arrived.text == "arrived")
                fetch.client.maxResponseBytes = 3
                service.context.outbound.reload(fetch)
                let tooLong = try await service.get(path)
                #expect(tooLong.status == .badGateway)
            }
        }
    }
}
