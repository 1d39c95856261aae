import Tandem
import TandemTLS
import TandemTesting
import Testing

/// The samples of docs/streams.md.
@Suite(.timeLimit(.minutes(1)))
struct StreamsPage {
    let port: UInt16
    let trust: TLSClientContext

    init() throws {
        try self.init(port: 0, trust: TLSClientContext())
    }

    init(port: UInt16, trust: TLSClientContext? = nil) throws {
        self.port = port
        self.trust = try trust ?? TLSClientContext()
    }

    func ask(_ question: String) throws -> String? {  // blocking
        let stream = try TCPStream.connect(host: "localhost", port: port, deadline: .after(.seconds(5)))
        defer { stream.close() }
        try stream.write(question + "\n")
        return try stream.readLine(limit: 1_000, deadline: .after(.seconds(5)))
    }

    func askAsync(_ question: String) async throws -> String? {
        let stream = try await TCPStream.connect(host: "localhost", port: port, deadline: .after(.seconds(5)))
        defer { stream.close() }
        try await stream.write(question + "\n")
        return try await stream.readLine(limit: 1_000, deadline: .after(.seconds(5)))
    }

    func serveAll(on listener: TCPListener) async throws {
        while true {
            let stream = try await listener.accept()
            spawn(name: "connection") { try serve(stream) }  // a green thread per client
        }
    }

    func serve(_ stream: TCPStream) throws {
        defer { stream.close() }
        while let line = try stream.readLine(limit: 1_000, deadline: .after(.seconds(60))) {
            try stream.write(line.uppercased() + "\n", deadline: .after(.seconds(10)))
        }
    }

    func askSecurely(_ question: String) throws -> String? {  // blocking
        let stream = try TLSStream.connect(host: "localhost", port: port, context: trust, deadline: .after(.seconds(5)))
        defer { stream.close() }
        try stream.write(question + "\n")
        return try stream.readLine(limit: 1_000, deadline: .after(.seconds(5)))
    }

    static func makeTrust() throws -> TLSClientContext {
        let trust = try TLSClientContext(TLSClientConfiguration(authorities: "/etc/orders/ca.pem", protocols: ["orders"]))
        return trust
    }

    func serveSecurely(_ stream: TCPStream, _ context: TLSContext) throws {
        let stream = try TLSStream.accept(over: stream, context: context)
        defer { stream.close() }
        while let line = try stream.readLine(limit: 1_000, deadline: .after(.seconds(60))) {
            try stream.write(line.uppercased() + "\n", deadline: .after(.seconds(10)))
        }
    }

    struct Refused: Error {}

    func upgrade(_ plain: TCPStream) async throws -> TLSStream {
        try await plain.write("STARTTLS\r\n")
        guard try await plain.readLine(limit: 1_000) == "220 go ahead" else { throw Refused() }
        return try await TLSStream.connect(over: plain, host: "localhost", context: trust)
    }

    @Test func `the server answers clients of both styles`() async throws {
        let answers = try await HubGroup.shared.hubs[0].spawn {
            let listener = try TCPListener(port: 0)
            let page = try StreamsPage(port: listener.local.port)
            let server = spawn { try await page.serveAll(on: listener) }
            let answers = [try await page.askAsync("async"), try await blocking { try page.ask("blocking") }]
            listener.close()
            _ = await server.result
            return answers
        }.value
        #expect(answers == ["ASYNC", "BLOCKING"])
    }

    @Test func `the samples with TLS speak to each other`() async throws {
        let directory = TemporaryDirectory()
        let context = try TLSContext(.with([.localhost], in: directory))
        let trust = try TLSClientContext(
            TLSClientConfiguration(authorities: directory.write("ca.pem", TestCertificate.authority.certificateText)))
        let answers = try await HubGroup.shared.hubs[0].spawn {
            let listener = try TCPListener(port: 0)
            defer { listener.close() }
            let page = try StreamsPage(port: listener.local.port, trust: trust)
            let server = spawn {
                try page.serveSecurely(try listener.accept(), context)
                let plain = try listener.accept()
                _ = try plain.readLine()
                try plain.write("220 go ahead\r\n")
                try page.serveSecurely(plain, context)
            }
            let first = try await blocking { try page.askSecurely("blocking") }
            let stream = try await page.upgrade(try await TCPStream.connect(to: listener.local))
            try await stream.write("async\n")
            let second = try await stream.readLine()
            stream.close()
            try await server.wait()
            return [first, second]
        }.value
        #expect(answers == ["BLOCKING", "ASYNC"])
    }
}
