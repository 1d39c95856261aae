import HTTPTypes
import Synchronization
import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FetchRequestTests {
    let upstream = Upstream.shared
    let client = FetchClient()

    @Test(arguments: Style.allCases, [HTTPRequest.Method.post, .put, .patch, .delete, .get])
    func `method, fields and body are sent as given`(_ style: Style, _ method: HTTPRequest.Method) async throws {
        var request = FetchRequest(url: upstream.url("/echo?a=b"), method: method, body: .bytes(Array("the body".utf8)))
        request.headers[.contentType] = "text/x-test"
        request.headers[HTTPField.Name("X-Empty")!] = ""
        let text = try await onHub { [request] _ in try await style.execute(client, request).text }
        #expect(text.hasPrefix("\(method.rawValue) /echo?a=b\n") && text.hasSuffix("\n\nthe body"))
        #expect(text.contains("Content-Type: text/x-test\n") && text.contains("X-Empty: \n"))
        #expect(text.contains("User-Agent: Tandem\n") && !text.contains("Expect"))
    }

    @Test func `no Content-Type is added`() async throws {
        for body: FetchBody? in [nil, [], [1, 2, 3]] {
            let request = FetchRequest(url: upstream.url("/echo"), method: .post, body: body)
            let text = try await onHub { _ in try await client.execute(request).text }
            #expect(!text.contains("Content-Type") && text.contains("Content-Length: \(body?.contentLength ?? 0)\n"))
        }
    }

    @Test func `the response to HEAD has no body`() async throws {
        var request = FetchRequest(url: upstream.url("/gzip?n=100000"), method: .head)
        request.maxResponseBytes = 10
        let response = try await onHub { [request] _ in try await client.execute(request) }
        #expect(response.body.isEmpty && response.headers[.contentEncoding] == "gzip" && response.headers[.contentLength] != nil)
    }

    @Test func `a field value cannot inject another field`() async throws {
        var configuration = FetchConfiguration()
        configuration.userAgent = "agent\r\nX-Evil: 1"
        var request = FetchRequest(url: upstream.url("/echo"))
        request.headers[HTTPField.Name("X-Test")!] = "value\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1"
        let text = try await onHub { [request, configuration] _ in
            try await FetchClient(configuration: configuration).execute(request).text
        }
        #expect(!text.contains("\nX-Evil"))
        #expect(text.contains("X-Test: value") && text.contains("User-Agent: agent"))
    }

    @Test(arguments: ["Content-Length", "Transfer-Encoding", "connection", "Upgrade", "Expect", "Keep-Alive"])
    func `fields that frame the message are refused`(_ name: String) async throws {
        var request = FetchRequest(url: upstream.url("/echo"))
        request.headers[HTTPField.Name(name)!] = "1"
        let error = try await onHub { [request] _ in try await fetchError { try await client.execute(request) } }
        #expect(error?.code == .badRequest)
    }

    @Test func `methods that are not a fetch are refused`() async throws {
        for request in [
            FetchRequest(url: upstream.url("/echo"), method: .connect),
            FetchRequest(url: upstream.url("/echo"), method: .head, body: [1]),
        ] {
            let error = try await onHub { _ in try await fetchError { try await client.execute(request) } }
            #expect(error?.code == .badRequest)
        }
    }

    @Test(arguments: Style.allCases) func `the address policy is asked about each address`(_ style: Style) async throws {
        let asked = Mutex<[SocketEndpoint]>([])
        var request = FetchRequest(url: upstream.url("/fixed"))
        request.addressPolicy = AddressPolicy { address, host in
            asked.withLock { $0.append(address) }
            return host == "127.0.0.1"
        }
        try await onHub { [request] _ in
            for _ in 0..<2 { _ = try await style.execute(client, request) }
        }
        // The policy is asked when the connection is opened, and before each further request on it.
        #expect(asked.withLock { $0 } == Array(repeating: SocketEndpoint("127.0.0.1:\(upstream.port)")!, count: 2))
    }

    @Test(arguments: Style.allCases) func `a refused address is not connected to`(_ style: Style) async throws {
        let upstream = Upstream()
        var request = FetchRequest(url: upstream.url("/fixed"))
        request.addressPolicy = .publicOnly()
        try await onHub { [request] _ in
            let error = try await fetchError { try await style.execute(client, request) }
            #expect(error?.code == .refused)
            #expect(error?.message.contains("refuses 127.0.0.1:\(upstream.port)") == true)
            let accepted = try await upstream.count("accepted")
            #expect(accepted == 1)
        }
    }

    @Test(arguments: Style.allCases) func `the address policy is asked about open connections too`(_ style: Style) async throws {
        let upstream = Upstream()
        let plain = FetchRequest(url: upstream.url("/fixed"))
        var checked = plain
        checked.addressPolicy = AddressPolicy { _, _ in false }
        try await onHub { [checked] _ in
            _ = try await style.execute(client, plain)
            let error = try await fetchError { try await style.execute(client, checked) }
            #expect(error?.code == .refused)
            // The first request, and the request for the count.
            let requests = try await upstream.count("requests")
            #expect(requests == 2)
        }
    }
}
