import Tandem
import Testing

/// The samples of docs/streams.md.
@Suite(.timeLimit(.minutes(1)))
struct StreamsPage {
    let port: UInt16

    init() { port = 0 }

    init(port: UInt16) { self.port = port }

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

    @Test func `the server answers clients of both styles`() async throws {
        let answers = try await HubGroup.shared.hubs[0].spawn {
            let listener = try TCPListener(port: 0)
            let page = StreamsPage(port: listener.local.port)
            let server = spawn { try await page.serveAll(on: listener) }
            let answers = [try await page.askAsync("async"), try await blocking { try page.ask("blocking") }]
            listener.close()
            _ = await server.result
            return answers
        }.value
        #expect(answers == ["ASYNC", "BLOCKING"])
    }
}
