import HTTPTypes
import Tandem
import TandemFetch
import Testing

/// The client's methods that build the request themselves, in both styles.
@Suite(.timeLimit(.minutes(1)))
struct FetchMethodsTests {
    let client = FetchClient()
    let url = Upstream.shared.url("/echo?a=b")
    let headers: HTTPFields = [.contentType: "text/x-test"]

    @Test func `get, post, put and delete send method, fields and body in async code`() async throws {
        let (client, url, headers) = (client, url, headers)
        let texts = try await onHub { _ in
            [
                try await client.get(url, headers: headers).text,
                try await client.post(url, headers: headers, body: "the body").text,
                try await client.put(url, headers: headers, body: FetchBody([0x61, 0x62])).text,
                try await client.delete(url, headers: headers).text,
            ]
        }
        check(texts)
    }

    @Test func `get, post, put and delete send method, fields and body in blocking code`() async throws {
        let (client, url, headers) = (client, url, headers)
        let texts = try await onHub { _ in
            try await blocking {
                [
                    try client.get(url, headers: headers).text,
                    try client.post(url, headers: headers, body: "the body").text,
                    try client.put(url, headers: headers, body: FetchBody([0x61, 0x62])).text,
                    try client.delete(url, headers: headers).text,
                ]
            }
        }
        check(texts)
    }

    private func check(_ texts: [String]) {
        #expect(texts.map { $0.prefix { $0 != "\n" } } == ["GET", "POST", "PUT", "DELETE"].map { "\($0) /echo?a=b" })
        #expect(texts.map { $0.hasSuffix("\n\nthe body") } == [false, true, false, false])
        #expect(texts[2].hasSuffix("\n\nab"))
        #expect(texts.allSatisfy { $0.contains("Content-Type: text/x-test\n") })
    }

    @Test func `a post without a body sends an empty one`() async throws {
        let (client, url) = (client, url)
        let text = try await onHub { _ in try await client.post(url).text }
        #expect(text.hasPrefix("POST ") && text.contains("Content-Length: 0\n"))
    }

    @Test func `a body may be bytes or text`() {
        #expect(FetchBody("é").contentLength == 2 && FetchBody([1, 2, 3]).contentLength == 3)
        let literals: [FetchBody] = ["text", [1, 2], []]
        #expect(literals.map(\.contentLength) == [4, 2, 0])
        #expect(literals.map(\.isRepeatable) == [true, true, true])
    }

    @Test func `a blocking call in async code throws an error that names its line`() async throws {
        let (client, url) = (client, url)
        try await onHub { _ in
            func legacy() throws -> FetchResponse { try client.delete(url) }
            let error = #expect(throws: TandemError.self) { try legacy() }
            #expect(error?.code == .notOnGreenThread && error?.message.contains("FetchMethodsTests.swift:") == true)
        }
    }
}
