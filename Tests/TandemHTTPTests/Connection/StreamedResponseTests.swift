import Logging
import Glibc
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct StreamedResponseTests {
        @Test(arguments: Style.allCases)
        func `each write is sent at once as a chunk, and an empty write does not end the body`(style: Style) async throws {
            let events = [Event<Void>(), Event<Void>()]
            try await withServer(routes: { router in
                router.get("/") { _ async in
                    switch style {
                    case .blocking:
                        Response(streaming: { writer in
                            try writer.write([])
                            try writer.write(Array("one".utf8))
                            try events[0].wait()
                            try writer.write([])
                            try writer.write(Array("two".utf8))
                            try events[1].wait()
                            try writer.write([])
                        })
                    case .async:
                        Response(streaming: { writer in
                            try await writer.write([])
                            try await writer.write(Array("one".utf8))
                            try await events[0].wait()
                            try await writer.write([])
                            try await writer.write(Array("two".utf8))
                            try await events[1].wait()
                            try await writer.write([])
                        })
                    }
                }
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(try client.receiveHead()[.transferEncoding] == "chunked")
                #expect(try client.receiveChunk() == Array("one".utf8))
                events[0].send(())
                #expect(try client.receiveChunk() == Array("two".utf8))
                events[1].send(())
                #expect(try client.receiveChunk() == nil)
                try client.send(.get, "/")
                #expect(try client.receiveHead().status == 200)
                for text in ["one", "two"] { #expect(try client.receiveChunk() == Array(text.utf8)) }
                #expect(try client.receiveChunk() == nil)
            }
        }

        @Test(arguments: Style.allCases)
        func `a stream that writes nothing has an empty body`(style: Style) async throws {
            try await withServer(routes: { $0.streaming("/", style, []) }) { live in
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse().body == [])
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a stream with an announced length is not chunked, and the connection goes on`(style: Style) async throws {
            try await withServer(routes: { $0.streaming("/", style, contentLength: 10, [pattern(4), [], pattern(6)]) }) { live in
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send(.get, "/")
                    let answer = try client.receiveResponse()
                    #expect(answer[.contentLength] == "10")
                    #expect(answer.body == pattern(4) + pattern(6))
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `an error thrown before a stream's first bytes is answered with its own status`(style: Style) async throws {
            struct Broken: Error {}
            try await withServer(routes: { router in
                router.streaming("/teapot", style, [], then: { throw HTTPError(.init(code: 418), "short and stout") })
                router.streaming("/broken", style, [], then: { throw Broken() })
                router.plain("/", style)
            }) { live in
                let client = try live.connect()
                for (path, status) in [("/teapot", 418), ("/broken", 500), ("/", 200)] {
                    try client.send(.get, path)
                    let answer = try client.receiveResponse()
                    #expect(answer.status.code == status)
                    #expect(!answer.closes)
                }
                #expect(live.log.entries("handler threw").count == 1)
                #expect(live.logged(3).map(\.status) == [418, 500, 200])
            }
        }

        @Test(arguments: Style.allCases)
        func `the connection goes on after a stream that writes nothing`(style: Style) async throws {
            try await withServer(routes: { $0.streaming("/", style, []) }) { live in
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send(.get, "/")
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 200)
                    #expect(answer.body.isEmpty)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `flush sends the head and each event while the stream waits`(style: Style) async throws {
            let events = Queue<[UInt8]>()
            try await withServer(routes: { router in
                router.get("/") { _ in
                    switch style {
                    case .blocking:
                        Response(streaming: { writer in
                            try writer.flush()
                            while let event = try? events.get() {
                                guard !event.isEmpty else { return }
                                try writer.write(event)
                                try writer.flush()
                            }
                        })
                    case .async:
                        Response(streaming: { writer in
                            try await writer.flush()
                            while let event = try? await events.get() {
                                guard !event.isEmpty else { return }
                                try await writer.write(event)
                                try await writer.flush()
                            }
                        })
                    }
                }
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(try client.receiveHead().status == 200)
                for count in 1...3 {
                    try events.put(pattern(count))
                    #expect(try client.receiveChunk() == pattern(count))
                }
                try events.put([])
                #expect(try client.receiveChunk() == nil)
            }
        }

        @Test(arguments: Style.allCases)
        func `a stream that writes less than it announced is cut`(style: Style) async throws {
            try await withServer(routes: { $0.streaming("/", style, contentLength: 10, [pattern(9)]) }) { live in
                let client = try live.connect()
                try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.receiveHead()[.contentLength] == "10")
                #expect(try client.receiveUntilEnd(orReset: true) == pattern(9))
                #expect(live.log.entries("streamed answer cut short").count == 1)
                #expect(live.logged(1).map(\.outcome) == [.failed])
            }
        }

        @Test(arguments: Style.allCases)
        func `a stream that announces a length and writes nothing is answered with 500, and logged`(style: Style) async throws {
            try await withServer(routes: { $0.streaming("/", style, contentLength: 10, []) }) { live in
                let answer = try live.get("/")
                #expect(answer.status == 500)
                #expect(live.log.entries("handler threw")[0].metadata["error"]!.contains("shorter"))
                #expect(live.logged(1).map(\.outcome) == [.completed])
            }
        }

        @Test(arguments: Style.allCases)
        func `a write beyond the announced length throws and sends nothing`(style: Style) async throws {
            try await withServer(routes: { $0.streaming("/", style, contentLength: 10, [pattern(6), pattern(5)]) }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                _ = try client.receiveHead()
                #expect(try client.receiveUntilEnd(orReset: true) == pattern(6))
                #expect(live.log.entries("streamed answer cut short")[0].metadata["error"]!.contains("longer"))
            }
        }

        @Test(arguments: Style.allCases)
        func `a stream that throws is cut without a last chunk, and logged`(style: Style) async throws {
            struct Broken: Error {}
            try await withServer(routes: { $0.streaming("/", style, [pattern(5)], then: { throw Broken() }) }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                _ = try client.receiveHead()
                #expect(try client.receiveChunk() == pattern(5))
                #expect(try client.receiveUntilEnd(orReset: true) == [])
                #expect(live.log.entries("streamed answer cut short").count == 1)
                #expect(live.log.lines.allSatisfy { $0.message == "streamed answer cut short" })
            }
        }

        @Test(arguments: Style.allCases)
        func `a stream to an HTTP/1.0 client ends with the connection`(style: Style) async throws {
            try await withServer(routes: { $0.streaming("/", style, [pattern(5), pattern(6)]) }) { live in
                let client = try live.connect()
                try client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                let answer = try client.receiveResponse()
                #expect(answer[.transferEncoding] == nil)
                #expect(answer.closes)
                #expect(answer.body == pattern(5) + pattern(6))
            }
        }

        @Test(arguments: Style.allCases)
        func `a stream to an HTTP/1.0 client that throws ends with a reset`(style: Style) async throws {
            struct Broken: Error {}
            try await withServer(routes: { $0.streaming("/", style, [pattern(5)], then: { throw Broken() }) }) { live in
                let client = try live.connect()
                try client.send("GET / HTTP/1.0\r\n\r\n")
                #expect(try client.receiveHead().status == 200)
                #expect(throws: TestClientError(.reset)) { try client.receiveUntilEnd() }
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that does not read parks only its stream`(style: Style) async throws {
            let written = Count()
            let (piece, count) = (pattern(64 * 1024), 256)
            try await withServer(
                hubs: .one("counts tasks and waits of the hub"),
                routes: { router in
                    router.plain()
                    router.get("/stream") { _ async in
                        switch style {
                        case .blocking:
                            Response(streaming: { writer in
                                for _ in 0..<count {
                                    try writer.write(piece)
                                    written.add()
                                }
                            })
                        case .async:
                            Response(streaming: { writer in
                                for _ in 0..<count {
                                    try await writer.write(piece)
                                    written.add()
                                }
                            })
                        }
                    }
                }
            ) { live in
                let client = try live.connect(TestConnectionOptions(receiveBuffer: 16 * 1024))
                try client.send(.get, "/stream")
                _ = try client.receiveHead()
                // The count no longer changes: without a reader the handler writes no more.
                #expect(
                    eventually {
                        let before = written.value
                        pause(milliseconds: 100)
                        return written.value == before
                    })
                #expect(written.value < count)
                #expect(try live.get("/").text == "ok")
                #expect(try live.statistics().greenThreads == (style == .blocking ? 1 : 0))
                for _ in 0..<count { #expect(try client.receiveChunk() == piece) }
                #expect(try client.receiveChunk() == nil)
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that never reads is disconnected after the write timeout`(style: Style) async throws {
            try await withServer(
                { $0.writeTimeout = .milliseconds(100) },
                routes: { router in
                    router.streaming("/stream", style, Array(repeating: pattern(1 << 20), count: 32))
                    router.on(.get, "/bytes", style) { _ in Response(body: [UInt8](repeating: 7, count: 32 << 20)) }
                }
            ) { live in
                for path in ["/stream", "/bytes"] {
                    let client = try live.connect(TestConnectionOptions(receiveBuffer: 16 * 1024))
                    try client.send(.get, path)
                    #expect(eventually { live.access.entries(path).count == 1 })
                    #expect(live.access.entries(path).first?.outcome == .failed)
                    #expect(try eventually { try live.connectionCount() == 0 })
                    // With a reset, the kernel keeps nothing for the client.
                    #expect(throws: TestClientError(.reset)) { try client.receiveUntilEnd() }
                }
                // A client can cause this at will, so it is not logged as an error.
                #expect(live.log.entries("streamed answer cut short").map(\.level) == [.info])
            }
        }

        @Test(arguments: Style.allCases)
        func `a writer that outlives its answer cannot write into a later one`(style: Style) async throws {
            let kept = Mutex<ResponseWriter?>(nil)
            try await withServer(routes: { router in
                router.get("/") { _ async in
                    Response(streaming: { writer in
                        try await writer.write(pattern(3))
                        kept.withLock { $0 = writer }
                    })
                }
                switch style {
                case .blocking:
                    router.get("/late") { _ in
                        do { try kept.withLock { $0 }!.write(pattern(9)) } catch {
                            return Response(text: "\((error as! TandemError).code)")
                        }
                        return Response(text: "written")
                    }
                case .async:
                    router.get("/late") { _ in
                        do { try await kept.withLock { $0 }!.write(pattern(9)) } catch {
                            return Response(text: "\((error as! TandemError).code)")
                        }
                        return Response(text: "written")
                    }
                }
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/")
                #expect(try client.receiveResponse().body == pattern(3))
                try client.send(.get, "/late")
                #expect(try client.receiveResponse().text == "closed")
                kept.withLock { $0 = nil }
            }
        }
    }
}
