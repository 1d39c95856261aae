import COpenSSL
import Glibc
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct TLSMemoryTests {
        let directory = TemporaryDirectory()

        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
        func `an idle TLS connection holds no buffer`(version: CInt) async throws {
            try await withServer(
                hubs: .one("counts tasks and waits of the hub"),
                {
                    $0.tls = .with([TLSHandshakeTests.localhost], in: directory)
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                }, routes: { $0.plain() }
            ) { live in
                /// Opens connections and sends one request on each. Returns duplicates of their sockets, without the client's TLS.
                func connect(_ count: Int) throws -> [CInt] {
                    try (0..<count).map { _ in
                        let client = try openConnection(to: .tcp(port: live.port))
                        try client.startTLS(TestTLS(versions: version...version))
                        try client.send(.get, "/")
                        #expect(try client.receiveResponse().text == "ok")
                        defer { try? client.close() }
                        return dup(client.fileDescriptor)
                    }
                }
                // One-time allocations happen here.
                var sockets = try connect(50)
                let before = allocatedBytes()
                sockets += try connect(200)
                let each = (allocatedBytes() - before) / 200
                #expect(try live.connectionCount() == 250)
                print("an idle keep-alive connection over \(version == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3"): \(each) bytes")
                // Most of it is OpenSSL's state. A read buffer would add 16 KiB, and so would a write buffer.
                #expect(each < 30_000)
                for socket in sockets { close(socket) }
            }
        }
    }
}
