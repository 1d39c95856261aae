import Glibc
import HTTPTypes
import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FetchErrorTests {
    let upstream = Upstream.shared
    let client = FetchClient()

    @Test(arguments: Style.allCases, ["/reset", "/short", "/hangup", "/garbage"])
    func `a broken response is a transfer error`(_ style: Style, _ path: String) async throws {
        let url = upstream.url(path)
        let error = try await onHub { _ in try await fetchError { try await style.get(client, url) } }
        #expect(error?.code == .transfer, "\(String(describing: error))")
        #expect(error?.message.hasPrefix("http://127.0.0.1:\(upstream.port): ") == true)
    }

    @Test(arguments: Style.allCases) func `a deadline ends a slow exchange`(_ style: Style) async throws {
        let upstream = Upstream()
        let base = FetchRequest(url: upstream.url("/silent?token=secret").replacing("http://", with: "http://me:secret@"))
        let error = try await onHub { _ in
            var request = base
            request.deadline = .after(.milliseconds(60))
            return try await fetchError { try await style.execute(client, request) }
        }
        #expect(error?.code == .timedOut)
        #expect(error?.message.contains("127.0.0.1:\(upstream.port)") == true && error?.message.contains("within 0.0") == true)
        #expect(error?.message.contains("secret") == false)
        try await until { try await upstream.count("disconnects") == 1 }
    }

    @Test func `a deadline that has passed sends nothing`() async throws {
        let upstream = Upstream()
        var request = FetchRequest(url: upstream.url("/fixed"))
        request.deadline = .after(.zero)
        let error = try await onHub { [request] _ in try await fetchError { try await client.execute(request) } }
        #expect(error?.code == .timedOut)
        let accepted = try await upstream.count("accepted")
        #expect(accepted == 1)
    }

    @Test(arguments: Style.allCases, ["/endless", "/big?n=1000000", "/gzip?n=10000000"])
    func `a response over the size limit is refused as too large`(_ style: Style, _ path: String) async throws {
        var request = FetchRequest(url: upstream.url(path))
        request.maxResponseBytes = 100_000
        let error = try await onHub { [request] _ in try await fetchError { try await style.execute(client, request) } }
        #expect(error?.code == .tooLarge)
        #expect(error?.message.contains("100000") == true)
    }

    @Test func `a response of exactly the size limit is accepted`() async throws {
        var request = FetchRequest(url: upstream.url("/big?n=100000"))
        request.maxResponseBytes = 100_000
        let response = try await onHub { [request] _ in try await client.execute(request) }
        #expect(response.body.count == 100_000)
    }

    @Test func `a huge head is refused as too large`() async throws {
        let url = upstream.url("/fields?n=300")
        let error = try await onHub { _ in try await fetchError { try await client.get(url) } }
        #expect(error?.code == .tooLarge)
    }

    @Test(arguments: Style.allCases) func `a connection that is refused is couldNotConnect`(_ style: Style) async throws {
        let port = unusedPort()
        let error = try await onHub { _ in try await fetchError { try await style.get(client, "http://127.0.0.1:\(port)/") } }
        #expect(error?.code == .couldNotConnect && error?.curlCode == 7)
    }

    @Test(arguments: Style.allCases) func `a name that cannot exist is couldNotResolve`(_ style: Style) async throws {
        // A label over 63 bytes, for which no name server is asked.
        let name = String(repeating: "a", count: 70)
        let error = try await onHub { _ in try await fetchError { try await style.get(client, "http://\(name).invalid/") } }
        #expect(error?.code == .couldNotResolve)
    }

    @Test(arguments: [
        "", "fixed", "//127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:70/", "dict://127.0.0.1/",
        "http://", "http://127.0.0.1:99999/", "http://127.0.0.1/\r\nX-Evil: 1", "http://127.0.0.1/ HTTP/1.1", "http://a b/",
        "http://127.0.0.1/\0", "javascript:alert(1)",
    ])
    func `a URL that is not an HTTP URL is refused`(_ url: String) async throws {
        let error = try await onHub { _ in try await fetchError { try await client.get(url) } }
        #expect(error?.code == .badURL, "\(String(describing: error))")
    }
}

/// The `FetchError` that `body` throws; nil when it throws none.
func fetchError<Success>(_ body: () async throws -> Success) async throws -> FetchError? {
    do {
        _ = try await body()
        return nil
    } catch let error as FetchError {
        return error
    }
}

func unusedPort() -> Int {
    let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    defer { close(fd) }
    return Int(UInt16(bigEndian: bindToLoopback(fd).sin_port))
}

/// Binds a socket to a port that the kernel chooses, and returns its address.
func bindToLoopback(_ fd: CInt) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutableBytes(of: &address) {
        let address = $0.baseAddress!.assumingMemoryBound(to: sockaddr.self)
        precondition(bind(fd, address, length) == 0 && getsockname(fd, address, &length) == 0)
    }
    return address
}
