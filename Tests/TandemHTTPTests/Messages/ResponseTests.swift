import Logging
import Glibc
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct ResponseTests {
        @Test(arguments: Style.allCases)
        func `HEAD gets the header fields of GET and no body`(style: Style) async throws {
            let streamed = Count()
            try await withServer(routes: { router in
                router.plain("/plain", style)
                router.streaming("/stream", style, [Array("abc".utf8)], then: { streamed.add() })
                router.streaming("/length", style, contentLength: 3, [Array("abc".utf8)], then: { streamed.add() })
            }) { live in
                let client = try live.connect()
                for path in ["/plain", "/stream", "/length"] {
                    try client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\nHEAD \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                    let get = try client.receiveResponse()
                    let head = try client.receiveResponse(to: .head)
                    #expect(head.status == 200)
                    let (a, b) = (get.headers.filter { $0.name != .date }, head.headers.filter { $0.name != .date })
                    #expect(a.map(\.name) == b.map(\.name))
                    #expect(a.map(\.value) == b.map(\.value))
                    #expect(head[.date] != nil)
                }
                #expect(streamed.value == 2)
            }
        }

        @Test(arguments: Style.allCases, [204, 304])
        func `204 and 304 have no body and no framing, and the connection goes on`(style: Style, status: Int) async throws {
            try await withServer(routes: { router in
                router.on(.get, "/bytes", style) { _ in Response(status: .init(code: status), body: pattern(10)) }
                router.streaming("/stream", style, status: .init(code: status), [pattern(10)])
            }) { live in
                let client = try live.connect()
                for path in ["/bytes", "/stream", "/bytes"] {
                    try client.send(.get, path)
                    let answer = try client.receiveResponse()
                    #expect(answer.status.code == status)
                    #expect(answer[.contentLength] == nil)
                    #expect(answer[.transferEncoding] == nil)
                }
                #expect(try !client.hasInput(within: .milliseconds(20)))
            }
        }

        @Test(arguments: Style.allCases)
        func `205 has no body and Content-Length 0, and the connection goes on`(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.get, "/bytes", style) { _ in Response(status: .resetContent, body: pattern(10)) }
                router.streaming("/stream", style, status: .resetContent, [pattern(10)])
            }) { live in
                let client = try live.connect()
                for path in ["/bytes", "/stream", "/bytes"] {
                    try client.send(.get, path)
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 205)
                    #expect(answer[.contentLength] == "0")
                    #expect(answer[.transferEncoding] == nil)
                }
            }
        }

        @Test
        func `each answer has a Date with the current second`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let before = time(nil)
                let date = try #require(try live.get("/")[.date])
                let after = time(nil)
                #expect((before - 1...after).map(formatted).contains(date))
                #expect(try live.get("/nowhere")[.date] != nil)
            }
        }

        /// Returns the current date as strftime writes it.
        private func formatted(_ second: time_t) -> String {
            var (second, broken) = (second, tm())
            gmtime_r(&second, &broken)
            var text = [UInt8](repeating: 0, count: 40)
            let count = text.withUnsafeMutableBytes {
                strftime($0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count, "%a, %d %b %Y %H:%M:%S GMT", &broken)
            }
            return String(decoding: text[..<count], as: UTF8.self)
        }

        @Test(arguments: Style.allCases)
        func `text is sent as UTF-8, with its charset and its length in bytes`(style: Style) async throws {
            try await withServer(routes: { $0.on(.get, "/", style) { _ in Response(text: "naïve ☃") } }) { live in
                let answer = try live.get("/")
                #expect(answer[.contentType] == "text/plain; charset=utf-8")
                #expect(answer[.contentLength] == "10")
                #expect(answer.text == "naïve ☃")
            }
        }

        @Test(arguments: Style.allCases)
        func `the server replaces framing fields that a handler sets`(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.get, "/", style) { _ in
                    var response = Response(text: "ok")
                    response.headers[.contentLength] = "99"
                    response.headers[.transferEncoding] = "gzip"
                    response.headers[.connection] = "close"
                    response.headers[.date] = "never"
                    response.headers[.init("X-Mine")!] = "kept"
                    return response
                }
            }) { live in
                let client = try live.connect()
                for _ in 0..<2 {
                    try client.send(.get, "/")
                    let answer = try client.receiveResponse()
                    #expect(answer[.contentLength] == "2")
                    #expect(answer[.transferEncoding] == nil)
                    #expect(answer[.connection] == nil)
                    #expect(answer[.date] != "never")
                    #expect(answer[.mine] == "kept")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `an answer that cannot be sent becomes 500, and the connection goes on`(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.get, "/interim", style) { _ in Response(status: .init(code: 103)) }
                router.streaming("/negative", style, contentLength: -1, [])
                router.plain("/", style)
            }) { live in
                let client = try live.connect()
                let paths = ["/interim", "/negative"]
                for path in paths {
                    try client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    let answer = try client.receiveResponse()
                    #expect(answer.status == 500, "\(path)")
                    #expect(answer.text == "internal server error\n")
                    #expect(try client.receiveResponse().text == "ok")
                }
                #expect(live.log.entries("handler gave an answer that cannot be sent").count == paths.count)
                #expect(live.logged(paths.count * 2).map(\.status) == paths.flatMap { _ in [500, 200] })
            }
        }

        @Test(arguments: Array(0...31) + [127] as [UInt8])
        func `no control byte in a field or a reason phrase can split an answer`(byte: UInt8) async throws {
            let text = "a" + String(Unicode.Scalar(byte)) + "Set-Cookie: b=c"
            let reason = HTTPResponse.Status(code: 200, reasonPhrase: text)
            try await withServer(routes: { router in
                router.on(.get, "/field", .async) { _ in Response(headers: [.init("X-Name")!: text]) }
                router.on(.get, "/reason", .async) { _ in Response(status: reason) }
                router.on(.get, "/error", .async) { _ in throw HTTPError(.badRequest, text, headers: [.init("X-Name")!: text]) }
                router.plain("/", .async)
            }) { live in
                let client = try live.connect()
                for path in ["/field", "/reason", "/error"] {
                    try client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    let answer = try client.receiveResponse()
                    #expect(answer[.setCookie] == nil, "\(path)")
                    #expect(
                        answer.headers.allSatisfy { $0.value.utf8.allSatisfy { $0 >= 32 && $0 != 127 || $0 == 9 } }, "\(path)")
                    #expect(try client.receiveResponse().text == "ok", "\(path)")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a line feed in a field or a reason phrase adds no field and no answer`(style: Style) async throws {
            let attack = "a\r\nSet-Cookie: stolen=1\r\n\r\nHTTP/1.1 200 OK\r\n"
            try await withServer(routes: { router in
                router.on(.get, "/field", style) { _ in Response(headers: [.init("X-Name")!: attack]) }
                router.on(.get, "/reason", style) { _ in Response(status: .init(code: 200, reasonPhrase: attack)) }
                router.plain("/", style)
            }) { live in
                let client = try live.connect()
                for path in ["/field", "/reason"] {
                    try client.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    #expect(try client.receiveResponse()[.setCookie] == nil)
                    #expect(try client.receiveResponse().text == "ok")
                }
            }
        }

        @Test(arguments: Style.allCases)
        func `a handler that throws is answered with 500, and logged`(style: Style) async throws {
            struct Secret: Error {}
            try await withServer(routes: { router in
                router.on(.get, "/broken", style) { _ in throw Secret() }
                router.on(.get, "/teapot", style) { _ in
                    throw HTTPError(.init(code: 418), "short and stout", headers: [.retryAfter: "1"])
                }
                router.on(.get, "/timeout", style) { _ in throw TandemError(.timedOut, "an upstream was slow") }
                router.on(.post, "/timeout", style) { _ in throw TandemError(.timedOut, "an upstream was slow") }
            }) { live in
                let client = try live.connect()
                try client.send(.get, "/broken")
                let broken = try client.receiveResponse()
                #expect(broken.status == 500)
                #expect(broken.text == "internal server error\n")
                let line = try #require(live.log.entries("handler threw").first)
                #expect(line.metadata["request.id"] != nil)
                #expect(line.metadata["http.route"]?.isEmpty == false)
                #expect(line.level == .error)
                #expect(line.metadata["error"]!.contains("Secret"))
                #expect(line.metadata["http.target"] == "/broken")
                #expect(line.metadata["peer"]!.hasPrefix("127.0.0.1:"))

                try client.send(.get, "/teapot")
                let teapot = try client.receiveResponse()
                #expect(teapot.status == 418)
                #expect(teapot.text == "short and stout\n")
                #expect(teapot[.retryAfter] == "1")

                // A timeout inside the handler is not the client's fault, even with an unread body.
                try client.send(.get, "/timeout")
                #expect(try client.receiveResponse().status == 500)
                try client.send("POST /timeout HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
                #expect(try client.receiveResponse().status == 500)
                #expect(live.log.entries("handler threw").count == 3)
            }
        }
    }
}
