import Glibc
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct RequestBodyTests {
        static let head = "POST / HTTP/1.1\r\nHost: a\r\n"

        static func chunked(_ pieces: [[UInt8]]) -> [UInt8] {
            var bytes = Array((head + "Transfer-Encoding: chunked\r\n\r\n").utf8)
            for piece in pieces { bytes += Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [13, 10] }
            return bytes + Array("0\r\n\r\n".utf8)
        }

        static func announced(_ body: [UInt8]) -> [UInt8] { Array((head + "Content-Length: \(body.count)\r\n\r\n").utf8) + body }

        // MARK: Read

        @Test(arguments: Style.allCases)
        func `a body arrives whole with either framing, and the connection goes on`(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                for size in [0, 1, 100, 16 * 1024, 300_000] {
                    let content = pattern(size)
                    let pieces = stride(from: 0, to: size, by: 7000).map { Array(content[$0..<min(size, $0 + 7000)]) }
                    for body in [TestBody.bytes(content), .chunks(pieces)] {
                        let answer = try live.client.post("/", body: body)
                        #expect(answer.status == 200)
                        #expect(answer.body == content)
                        #expect(!answer.closes)
                    }
                }
                #expect(try live.client.connectionsOpened() == 1)
            }
        }

        @Test(arguments: Style.allCases)
        func `a body that is streamed back leaves the connection open`(style: Style) async throws {
            try await withServer(routes: { $0.echoing("/", style) }) { live in
                let content = pattern(200_000)
                for (body, echo) in [(TestBody.bytes(content), content), (.chunks([content]), content), ([], [])] {
                    let answer = try live.client.post("/", body: body)
                    #expect(answer[.transferEncoding] == "chunked")
                    #expect(answer.body == echo)
                    #expect(!answer.closes)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a second loop over a body continues where the first stopped`(style: Style) async throws {
            try await withServer(routes: { router in
                router.post(
                    "/", style,
                    blocking: { request in
                        let first = try request.body.read() ?? []
                        return Response(body: first + [124] + (try request.body.collect(upTo: 100)))
                    },
                    async: { request in
                        var first: [UInt8] = []
                        for try await piece in request.body {
                            first = piece
                            break
                        }
                        return Response(body: first + [124] + (try await request.body.collect(upTo: 100)))
                    })
            }) { live in
                let client = try live.connect()
                try client.send(.post, "/", body: .chunks([Array("abc".utf8), Array("def".utf8), Array("g".utf8)]))
                #expect(try client.receiveResponse().text == "abc|defg")
            }
        }

        @Test(arguments: Style.allCases)
        func `a piece has all bytes that have arrived`(style: Style) async throws {
            let (event, started, sizes) = (Event<Void>(), Count(), Collected<Int>())
            try await withServer(routes: { router in
                router.post(
                    "/", style,
                    blocking: { request in
                        started.add()
                        try event.wait()
                        while let piece = try request.body.read() { sizes.add(piece.count) }
                        return Response()
                    },
                    async: { request in
                        started.add()
                        try await event.wait()
                        for try await piece in request.body { sizes.add(piece.count) }
                        return Response()
                    })
            }) { live in
                let client = try live.connect()
                try client.send(Self.head + "Content-Length: 12000\r\n\r\n")
                #expect(eventually { started.value == 1 })
                // The kernel has the whole body when the handler reads.
                for piece in 0..<12 { try client.send(Array(pattern(12_000)[(piece * 1_000)..<((piece + 1) * 1_000)])) }
                event.send(())
                #expect(try client.receiveResponse().status == 200)
                #expect(sizes.all == [12_000])
            }
        }

        @Test(arguments: Style.allCases)
        func `bytes after the end of a body are parsed as the next request`(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                let client = try live.connect()
                try client.send(
                    Self.announced(Array("abc".utf8)) + Self.announced(Array("def".utf8)) + Array("JUNK\r\n\r\n".utf8))
                #expect(try client.receiveResponse().text == "abc")
                #expect(try client.receiveResponse().text == "def")
                let refused = try client.receiveResponse()
                #expect(refused.status == 400)
                #expect(refused.closes)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `the unread rest of a body is dropped, and the connection goes on`(style: Style) async throws {
            try await withServer(routes: { router in
                switch style {
                case .blocking: router.post("/") { Response(body: try $0.body.read() ?? []) }
                case .async: router.post("/") { Response(body: try await $0.body.read() ?? []) }
                }
            }) { live in
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send(Self.head + "Content-Length: 6\r\n\r\nabc")
                    #expect(try client.receiveResponse().text == "abc")
                    try client.send("def")
                }
                // The server also drops a chunked body whose end has arrived.
                try client.send(.post, "/", body: .chunks([Array("abc".utf8), Array("def".utf8)]))
                let answer = try client.receiveResponse()
                #expect(answer.text == "abc")
                #expect(!answer.closes)
                // Without the last chunk the length is unknown when the answer's head must say whether the connection goes on.
                try client.send(Array(Self.chunked([Array("abc".utf8), Array("def".utf8)]).dropLast(5)))
                let last = try client.receiveResponse()
                #expect(last.text == "abc")
                #expect(last.closes)
                #expect(try client.receiveUntilEnd().isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `the handler knows the announced length of a body`(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.post, "/", style) { Response(text: "\($0.body.contentLength.map(String.init) ?? "nil")") }
            }) { live in
                let client = try live.connect()
                try client.send(.post, "/", body: .bytes(pattern(5)))
                #expect(try client.receiveResponse().text == "5")
                try client.send("POST / HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.receiveResponse().text == "0")
                try client.send(.post, "/", body: .chunks([]))
                #expect(try client.receiveResponse().text == "nil")
            }
        }

        @Test(arguments: Style.allCases)
        func `an unread body blocks its client until the handler reads`(style: Style) async throws {
            let event = Event<Void>()
            try await withServer(routes: { router in
                router.post(
                    "/", style,
                    blocking: { request in
                        try event.wait()
                        return Response(text: "\(try request.body.collect(upTo: 1 << 30) == pattern(8 << 20))")
                    },
                    async: { request in
                        try await event.wait()
                        return Response(text: "\(try await request.body.collect(upTo: 1 << 30) == pattern(8 << 20))")
                    })
            }) { live in
                let client = try live.connect(TestConnectionOptions(sendBuffer: 64 * 1024))
                let request = Self.announced(pattern(8 << 20))
                let taken = try client.sendUntilBlocked(request)
                // Only the kernel's buffers hold the body, not the server's.
                #expect(taken < 6 << 20)
                let sending = inBackground { try client.send(request[taken...]) }
                event.send(())
                try sending.wait()
                #expect(try client.receiveResponse().text == "true")
            }
        }

        // MARK: Limits

        @Test(arguments: Style.allCases)
        func `a body beyond the server's limit is answered with 413, with either framing`(style: Style) async throws {
            let calls = Count()
            try await withServer(
                { $0.maxBodyBytes = 1000 },
                routes: { router in
                    router.collecting("/", style)
                    router.on(.post, "/unread", style) { _ in
                        calls.add()
                        return Response()
                    }
                }
            ) { live in
                let client = try live.connect()
                try client.send(.post, "/", body: .bytes(pattern(1000)))
                #expect(try client.receiveResponse().status == 200)
                try client.send(.post, "/", body: .chunks([pattern(500), pattern(500)]))
                #expect(try client.receiveResponse().status == 200)

                let refused = try live.refusal(of: Self.head + "Content-Length: 1001\r\n\r\n")
                #expect(refused.status == 413)
                #expect(refused.text == "the body of 1001 bytes is longer than the 1000 that this server takes\n")
                let late = try live.refusal(
                    of: String(decoding: Self.chunked([pattern(500), pattern(501)].map { $0.map { $0 & 63 } }), as: UTF8.self))
                #expect(late.status == 413)
                #expect(late.text == "the body is longer than the 1000 bytes that this server takes\n")
                // The server refuses it before the handler runs, whether or not that would read.
                #expect(try live.refusal(of: "POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n").status == 413)
                #expect(calls.value == 0)
            }
        }

        @Test(arguments: Style.allCases)
        func `a body beyond the handler's own limit is answered with 413`(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style, upTo: 10) }) { live in
                let client = try live.connect()
                try client.send(.post, "/", body: .bytes(pattern(11)))
                let answer = try client.receiveResponse()
                #expect(answer.status == 413)
                #expect(answer.text == "the body is longer than the 10 bytes that this handler takes\n")
                // The body is short enough to be dropped, so the connection goes on.
                try client.send(.post, "/", body: .bytes(pattern(10)))
                #expect(try client.receiveResponse().body == pattern(10))
                try client.send(.post, "/", body: .chunks([pattern(6), pattern(6)]))
                #expect(try client.receiveResponse().status == 413)
            }
        }

        @Test(arguments: Style.allCases)
        func `a malformed trailer is answered with 400, even if the handler reads on`(style: Style) async throws {
            try await withServer(routes: { router in
                router.collecting("/", style)
                switch style {
                case .async:
                    router.post("/again") { request in
                        for _ in 0..<3 { _ = try? await request.body.collect(upTo: 100) }
                        return Response(body: try await request.body.collect(upTo: 100))
                    }
                case .blocking:
                    router.post("/again") { request in
                        for _ in 0..<3 { _ = try? request.body.collect(upTo: 100) }
                        return Response(body: try request.body.collect(upTo: 100))
                    }
                }
            }) { live in
                for path in ["/", "/again"] {
                    let head = "POST \(path) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                    let answer = try live.refusal(of: head + "5\r\nhello\r\n0\r\nX: \0bcdefgh and what follows it")
                    #expect(answer.status == 400)
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a malformed chunk is answered with 400`(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                for chunk in [
                    "0x3\r\nabc\r\n", "-1\r\n", "+3\r\nabc\r\n", "3\r\nabcd\r\n", "3\nabc\r\n", "\r\n", "fffffffffffffffff\r\n",
                ] {
                    let answer = try live.refusal(of: Self.head + "Transfer-Encoding: chunked\r\n\r\n" + chunk)
                    #expect(answer.status == 400, "\(chunk)")
                    #expect(answer.text.count > 10)
                }
                #expect(live.log.lines.isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `a client that closes inside its body gets 400, and no error is logged`(style: Style) async throws {
            try await withServer(routes: { $0.collecting("/", style) }) { live in
                for start in [
                    "Content-Length: 10\r\n\r\n", "Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n",
                    "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
                    "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
                ] {
                    let client = try live.connect()
                    try client.send(Self.head + start)
                    try client.endSending()
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 400)
                    #expect(answer.closes)
                    #expect(try client.receiveUntilEnd().isEmpty)
                }
                #expect(live.log.lines.isEmpty)
            }
        }

        @Test(arguments: Style.allCases)
        func `a body has one reader at a time`(style: Style) async throws {
            try await withServer(routes: { router in
                switch style {
                case .async:
                    router.post("/") { request in
                        async let first = request.body.collect(upTo: 100)
                        await Task.yield()
                        let second = await Task(executorPreference: Hub.current!) { try await request.body.read() }.result
                        guard case .failure(let error as TandemError) = second else { return Response(text: "\(second)") }
                        return Response(text: "\(error.code) \(try await first.count)")
                    }
                case .blocking:
                    router.post("/") { request in
                        let first = GreenThread { try request.body.collect(upTo: 100) }
                        try sleep(for: .milliseconds(5))
                        do {
                            return Response(body: try request.body.read() ?? [])
                        } catch let error as TandemError {
                            return Response(text: "\(error.code) \(try first.wait().count)")
                        }
                    }
                }
            }) { live in
                let client = try live.connect()
                try client.send(Self.head + "Content-Length: 3\r\n\r\n")
                pause(milliseconds: 50)
                try client.send("abc")
                #expect(try client.receiveResponse().text == "descriptorBusy 3")
            }
        }
    }
}
