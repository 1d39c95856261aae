import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct RequestIDTests {
        @Test(arguments: [true, false])
        func `a client's request id is used if that is enabled and the id is valid`(trusts: Bool) async throws {
            let sane = ["a", "7b1c-4f", String(repeating: "x", count: 128), #"~!"<>"#]
            let insane = ["a b", "caf\u{e9}", String(repeating: "x", count: 129), ""]
            try await withServer(
                {
                    $0.observing.trustsRequestID = trusts
                    $0.observing.returnsRequestID = true
                }, routes: { $0.plain() }
            ) { live in
                for id in sane + insane {
                    let answer = try live.exchange("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: \(id)\r\n\r\n")
                    let found = try #require(answer[.requestID])
                    if trusts, sane.contains(id) { #expect(found == id) } else { #expect(isMade(found), "\(id)") }
                }
                let twice = try live.exchange("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n")
                #expect(isMade(try #require(twice[.requestID])))
                // The access log has the same id.
                let logged = live.logged(sane.count + insane.count + 1)
                #expect(logged.last?.requestID?.description == twice[.requestID])
            }
        }

        @Test
        func `request ids are unique, and answers carry them only if that is enabled`() async throws {
            try await withServer(routes: { $0.plain() }) { live in
                let client = try live.connect()
                for _ in 0..<100 {
                    try client.send(.get, "/")
                    #expect(try client.receiveResponse()[.requestID] == nil)
                }
                #expect(Set(live.logged(100).map { $0.requestID?.description }).count == 100)
            }
        }

        private func isMade(_ id: String) -> Bool { id.utf8.count == 16 && id.allSatisfy { $0.isHexDigit && !$0.isUppercase } }
    }
}
