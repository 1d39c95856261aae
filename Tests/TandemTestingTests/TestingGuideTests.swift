import Glibc
import Logging
import Tandem
import TandemHTTP
import TandemTesting
import Testing

// The samples of docs/testing.md, which a test below compares with the page.

func showUser(_ request: Request) async throws -> Response {
    guard let id = request.parameters["id"], let number = Int(id) else { throw HTTPError(.badRequest, "a number, please") }
    return Response(text: "hello, number \(number)")
}

func makeRouter() -> Router {
    let router = Router()
    router.get("/users/{id}", showUser)
    router.post("/users") { request in  // blocking: nothing is awaited
        let name = try request.body.collect(upTo: 100)
        return Response(status: .created, headers: [.location: "/users/7"], body: name)
    }
    router.get("/hour") { _ in
        try await sleep(for: .seconds(3600))
        return Response(text: "slept")
    }
    router.get("/broken") { _ in throw TandemError(.closed, "the database has gone") }
    return router
}

@Suite(.serialized, .timeLimit(.minutes(1)))
struct TestingGuideTests {
    @Test func `the user's number is in the greeting`() async throws {
        let response = try await showUser(Request(path: "/users/7", parameters: ["id": "7"]))
        let body = try await response.collectBody()
        #expect(response.status == .ok)
        #expect(body == Array("hello, number 7".utf8))
    }

    @Test func `a user without a number is a bad request`() async {
        await #expect(throws: HTTPError.self) { try await showUser(Request(path: "/users/x", parameters: ["id": "x"])) }
    }

    @Test func `a route finds its parameters`() async throws {
        let response = try await makeRouter().respond(to: Request(path: "/users/7"))
        #expect(response.status == .ok)
    }

    @Test func `an unknown path is not found`() async throws {
        try await withTestServer(makeRouter(), .inProcess) { client in
            let response = try await client.get("/nowhere")
            #expect(response.status == .notFound)
        }
    }

    @Test func `users are greeted`() async throws {
        try await withTestServer(makeRouter()) { client in
            let response = try await client.get("/users/7", headers: [.accept: "text/plain"])
            #expect(response.status == .ok)
            #expect(response[.contentType] == "text/plain; charset=utf-8")
            #expect(response.text == "hello, number 7")
        }
    }

    @Test func `users are added`() throws {  // not async: the same calls without await
        try withTestServer(makeRouter()) { client in
            let response = try client.post("/users", body: "Ada")
            #expect(response.status == .created)
            #expect(response.text == "Ada")
        }
    }

    @Test func `clients know the server by its certificate`() async throws {
        try await withTestServer(makeRouter(), .tls) { client in
            let response = try await client.get("/users/7")
            #expect(response.status == .ok)
        }
    }

    @Test func `a client without a certificate is refused`() async throws {
        let directory = TemporaryDirectory()
        var configuration = HTTPServerConfiguration()
        configuration.tls = TLSConfiguration()
        configuration.tls?.clientCertificates = .required
        configuration.tls?.clientAuthorities = directory.write("ca.pem", TestCertificate.authority.certificateText)
        try await withTestServer(makeRouter(), .tls, configuration: configuration) { client in
            let ada = TestCertificate(["ada"], issuer: .authority)
            let known = try await client.connect(TestConnectionOptions(tls: TestTLS(trusting: .authority, certificate: ada)))
            try await known.send(.get, "/users/7")
            #expect(try await known.receiveResponse().status == .ok)
            await #expect(throws: TestClientError.self) { try await client.get("/users/7") }
        }
    }

    @Test func `two requests in one packet get two responses`() async throws {
        try await withTestServer(makeRouter()) { client in
            try await client.withConnection { connection in
                try await connection.send("GET /users/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /users/2 HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await connection.receiveResponse().text == "hello, number 1")
                #expect(try await connection.receiveResponse().text == "hello, number 2")
                try await connection.send("NONSENSE\r\n\r\n")
                #expect(try await connection.receiveResponse().status == .badRequest)
                #expect(try await connection.receiveUntilEnd().isEmpty)
            }
        }
    }

    @Test func `the reason for a 500 is in the log`() async throws {
        try await withTestServer(makeRouter()) { client in
            let response = try await client.get("/broken")
            #expect(response.status == .internalServerError)
            #expect(response.errors.first?.metadata["error"]?.contains("the database has gone") == true)
        }
    }

    @Test func `each request is in the access log`() async throws {
        let access = TestAccessLog()
        var configuration = HTTPServerConfiguration()
        configuration.accessLog = access
        try await withTestServer(makeRouter(), configuration: configuration) { client in _ = try await client.get("/users/7") }
        #expect(access.entries.map(\.route) == ["/users/{id}"])
    }

    @Test func `an hour passes at once`() async throws {
        try await withVirtualTime {
            try await withTestServer(makeRouter()) { client in
                let start = Hub.current!.now
                let response = try await client.get("/hour")
                #expect(response.text == "slept")
                #expect(Hub.current!.now - start == .seconds(3600))
            }
        }
    }

    @Test func `both tasks get the lock, in every order`() async throws {
        try await exploreOrders(seeds: 0..<50) {
            let lock = Semaphore(1)
            let green = GreenThread { try lock.withPermit { try sleep(for: .seconds(1)) } }
            try await lock.withPermit { try await sleep(for: .seconds(1)) }
            try await green.wait()
        }
    }

    // MARK: The page

    @Test func `every sample of docs/testing.md is in this file`() throws {
        let here = realpath(#filePath, nil)!
        defer { free(here) }
        let path = String(cString: here)
        let root = path.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
        let source = try lines(of: path)
        var samples = 0
        var sample: [String]?
        for line in try lines(of: root + "/docs/testing.md") {
            if line == "```swift" {
                sample = []
            } else if line == "```", let complete = sample {
                samples += 1
                #expect(source.contains(complete), "\(complete.joined(separator: "\n"))")
                sample = nil
            } else if !line.isEmpty {
                sample?.append(line)
            }
        }
        #expect(samples == 9)
    }

    /// Returns the lines of a file without indentation, comments at the end and empty lines.
    private func lines(of path: String) throws -> [String] {
        let file = try #require(fopen(path, "r"))
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = getc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            var line = line.drop { $0 == " " }
            if let comment = line.firstRange(of: " //") { line = line[..<comment.lowerBound] }
            while line.last == " " { line.removeLast() }
            return line.isEmpty ? nil : String(line)
        }
    }
}
