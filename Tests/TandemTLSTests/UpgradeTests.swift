internal import Glibc
internal import Tandem
internal import TandemTLS
internal import TandemTesting
internal import Testing

/// TLS on a stream that began in the clear (STARTTLS).
@Suite(.serialized, .timeLimit(.minutes(1)))
struct UpgradeTests {
    let site = Site()

    @Test(arguments: Style.allCases)
    func `a connection begins in the clear and continues under TLS`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let (ours, theirs) = (try site.client(), try site.server())
            let serving = spawn {
                #expect(try await server.readLine(style) == "STARTTLS")
                try await server.write(style, "220 go ahead\r\n")
                let stream = try await TLSStream.accept(style, over: server, context: theirs)
                defer { stream.close() }
                let line = try await stream.readLine(style)
                try await stream.write(style, "250 \(line ?? "")\r\n")
            }
            try await client.write(style, "STARTTLS\r\n")
            #expect(try await client.readLine(style) == "220 go ahead")
            let stream = try await TLSStream.connect(style, over: client, context: ours)
            try await stream.write(style, "EHLO me\r\n")
            #expect(try await stream.readLine(style) == "250 EHLO me")

            // The plain stream is of no more use, and its end is not the end of TLS.
            #expect(client.isClosed)
            #expect(await tandemError { try await client.write(style, "x") }?.code == .closed)
            let error = await tandemError { _ = try await client.readLine(style) }
            #expect(error?.message.contains("use the TLSStream") == true)
            #expect(await tandemError { _ = try await TLSStream.connect(style, over: client, context: ours) }?.code == .closed)
            client.close()
            #expect(try await stream.readLine(style) == nil)
            stream.close()
            try await serving.value
        }
    }

    @Test(arguments: Style.allCases)
    func `bytes that arrived before the upgrade are refused at both ends`(style: Style) async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let (ours, theirs) = (try site.client(), try site.server())
            try await server.write("220 go ahead\r\n250 injected\r\n")
            #expect(try await client.readLine(style) == "220 go ahead")
            let error = await tlsError { _ = try await TLSStream.connect(style, over: client, context: ours) }
            #expect(error?.code == .unreadBytes)
            #expect(error?.message.contains("localhost sent 14 bytes in the clear that were not read") == true)
            #expect(client.isClosed)
            #expect(try await server.readLine() == nil)
            server.close()

            let (other, another) = try await tcpPair()
            try await other.write("STARTTLS\r\nMAIL FROM:<mallory>\r\n")
            #expect(try await another.readLine(style) == "STARTTLS")
            #expect(
                await tlsError { _ = try await TLSStream.accept(style, over: another, context: theirs) }?.code == .unreadBytes)
            #expect(another.isClosed)
            other.close()
        }
    }

    @Test func `bytes in the clear that the kernel still holds fail the handshake`() async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            try await server.write("250 injected\r\n")
            let ours = try site.client()
            let error = await tlsError { _ = try await TLSStream.connect(over: client, host: "localhost", context: ours) }
            #expect(error?.code == .notTLS)
            server.close()
        }
    }

    @Test func `a stream on which a call is in progress is not upgraded`() async throws {
        try await onHub {
            let (client, server) = try await tcpPair()
            let reader = spawn { try await client.readLine() }
            try await sleep(for: .milliseconds(5))
            let ours = try site.client()
            let error = await tandemError { _ = try await TLSStream.connect(over: client, host: "localhost", context: ours) }
            #expect(error?.code == .descriptorBusy)
            #expect(await tandemError { _ = try await reader.value }?.code == .closed)
            server.close()
        }
    }

    @Test(arguments: Style.allCases)
    func `a unix socket carries TLS too`(style: Style) async throws {
        try await onHub {
            let path = site.directory.path + "/socket"
            let listener = try UnixListener(path: path)
            defer { listener.close() }
            let (ours, theirs) = (try site.client(), try site.server())
            let serving = spawn { try await TLSStream.accept(style, over: try await listener.accept(), context: theirs) }
            let client = try await TLSStream.connect(style, over: try await UnixStream.connect(path: path), context: ours)
            let server = try await serving.value
            defer { for end in [client, server] { end.close() } }
            try await client.write(style, "hello\n")
            #expect(try await server.readLine(style) == "hello")
            #expect(client.peer == nil && server.local == nil)
        }
    }
}
