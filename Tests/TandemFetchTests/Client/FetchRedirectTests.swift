import HTTPTypes
import Synchronization
import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FetchRedirectTests {
    let upstream = Upstream.shared
    let client = FetchClient()

    func request(
        _ path: String, method: HTTPRequest.Method = .get, follow: Int = 1, at upstream: Upstream = .shared
    ) -> FetchRequest {
        var request = FetchRequest(url: upstream.url(path), method: method)
        request.followRedirects = follow
        return request
    }

    @Test(arguments: Style.allCases) func `a redirect is returned as a response by default`(_ style: Style) async throws {
        let request = request("/redirect?n=302&to=/fixed", follow: 0)
        let response = try await onHub { _ in try await style.execute(client, request) }
        #expect(response.status.code == 302 && response.text == "go away")
        #expect(response.headers[.location] == "/fixed")
    }

    @Test(arguments: Style.allCases) func `a redirect is followed when the request asks for it`(_ style: Style) async throws {
        let upstream = Upstream()
        let request = request("/redirect?n=302&to=/fixed", at: upstream)
        let response = try await onHub { _ in
            let response = try await style.execute(client, request)
            // The client read the redirect's body, so that it could reuse the connection.
            let accepted = try await upstream.count("accepted")
            #expect(accepted == 1)
            return response
        }
        #expect(response.text == "hello, tandem" && response.url == upstream.url("/fixed"))
    }

    @Test(arguments: Style.allCases) func `a redirect is followed before a stream begins`(_ style: Style) async throws {
        let request = request("/redirect?n=307&to=/drip?n=3")
        try await onHub { _ in
            let stream = try await style.stream(client, request)
            #expect(stream.status == .ok && stream.url == upstream.url("/drip?n=3"))
            var body: [UInt8] = []
            while let piece = try await style.read(stream) { body += piece }
            #expect(body == Array("dripdripdrip".utf8))
        }
    }

    @Test(arguments: [
        (301, HTTPRequest.Method.post, "GET"), (302, .post, "GET"), (303, .post, "GET"), (303, .put, "GET"), (301, .put, "PUT"),
        (302, .delete, "DELETE"), (307, .post, "POST"), (308, .post, "POST"), (308, .put, "PUT"),
    ])
    func `the status decides whether a redirect changes the method`(
        _ status: Int, _ method: HTTPRequest.Method, _ expected: String
    ) async throws {
        var request = request("/redirect?n=\(status)&to=/echo", method: method)
        request.body = .bytes(Array("payload".utf8))
        request.headers[.contentType] = "text/x-test"
        let text = try await onHub { [request] _ in try await client.execute(request).text }
        #expect(text.hasPrefix("\(expected) /echo\n"))
        #expect(text.hasSuffix("\n\npayload") == (expected != "GET"))
        #expect(text.contains("text/x-test") == (expected != "GET"))
    }

    @Test(arguments: Style.allCases) func `one redirect more than the limit is an error`(_ style: Style) async throws {
        let upstream = Upstream()
        let request = request("/loop?n=0", follow: 5, at: upstream)
        try await onHub { _ in
            let error = try await fetchError { try await style.execute(client, request) }
            #expect(error?.code == .tooManyRedirects)
            // The first request, five redirects, and the request for the count.
            let requests = try await upstream.count("requests")
            #expect(requests == 7)
        }
    }

    @Test(arguments: Style.allCases) func `the request's check decides about each redirect`(_ style: Style) async throws {
        let asked = Mutex<[String]>([])
        let wanted = upstream.url("/fixed")
        var request = request("/redirect?n=302&to=/redirect?n=302%26to=/fixed", follow: 5)
        request.checkRedirect = { url in
            asked.withLock { $0.append(url) }
            return url != wanted
        }
        let error = try await onHub { [request] _ in try await fetchError { try await style.execute(client, request) } }
        #expect(error?.code == .refused)
        #expect(asked.withLock { $0 } == [upstream.url("/redirect?n=302&to=/fixed"), wanted])
    }

    @Test(arguments: ["ftp://127.0.0.1/", "file:///etc/passwd", "http://["])
    func `a redirect to a scheme other than HTTP is refused`(_ to: String) async throws {
        let request = request("/redirect?n=302&to=\(to)")
        let error = try await onHub { _ in try await fetchError { try await client.execute(request) } }
        #expect(error?.code == .badURL, "\(String(describing: error))")
    }

    @Test func `credentials are not sent to another origin`() async throws {
        let other = Upstream()
        for (target, keeps) in [("/echo", true), (other.url("/echo"), false)] {
            var request = request("/redirect?n=302&to=\(target)")
            request.headers[.authorization] = "Bearer secret"
            request.headers[.cookie] = "session=secret"
            request.headers[.acceptLanguage] = "de"
            let text = try await onHub { [request] _ in try await client.execute(request).text }
            #expect(text.contains("Bearer secret") == keeps && text.contains("session=secret") == keeps)
            #expect(text.contains("Accept-Language: de"))
        }
    }

    @Test(arguments: Style.allCases) func `a redirect from https to http is refused unless allowed`(_ style: Style) async throws {
        let secure = Upstream(tls: true)
        var configuration = FetchConfiguration()
        configuration.certificateAuthorities = Upstream.certificate
        let client = FetchClient(configuration: configuration)
        var request = FetchRequest(url: secure.url("/redirect?n=302&to=\(upstream.url("/fixed"))", scheme: "https"))
        request.followRedirects = 1
        try await onHub { [request] _ in
            let error = try await fetchError { try await style.execute(client, request) }
            #expect(error?.code == .refused && error?.message.contains("allowsInsecureRedirects") == true)
            var lax = request
            lax.allowsInsecureRedirects = true
            let text = try await style.execute(client, lax).text
            #expect(text == "hello, tandem")
        }
    }
}
