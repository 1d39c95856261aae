import COpenSSL
import Glibc
import Tandem
import TandemHTTP
import Testing

extension ServerTests {
    struct TLSMemoryTests {
        let directory = TemporaryDirectory()

        @Test(arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
        func `an idle TLS connection holds no buffer`(version: CInt) async throws {
            try await withServer(
                hubs: .one("counts what lives on the hub"),
                {
                    $0.tls = .with([TLSHandshakeTests.localhost], in: directory)
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                }, routes: { $0.plain() }
            ) { live in
                /// Connections that have been served, of which the client has kept the socket alone.
                func connect(_ count: Int) throws -> [CInt] {
                    try (0..<count).map { _ in
                        let client = try Client(port: live.port)
                        try client.startTLS(TLSClientOptions(versions: version...version))
                        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                        #expect(try client.answer().text == "ok")
                        defer { client.close() }
                        return dup(client.fd)
                    }
                }
                // What is allocated once is allocated now.
                var sockets = try connect(50)
                let before = allocatedBytes()
                sockets += try connect(200)
                let each = (allocatedBytes() - before) / 200
                #expect(try live.connectionCount() == 250)
                print("an idle keep-alive connection over \(version == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3"): \(each) bytes")
                // OpenSSL's state is most of it. A read buffer alone would be 16 KiB more, and a write buffer as much again.
                #expect(each < 30_000)
                for socket in sockets { close(socket) }
            }
        }
    }
}
