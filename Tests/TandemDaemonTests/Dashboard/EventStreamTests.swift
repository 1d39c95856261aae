import Foundation
import HTTPTypes
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
final class EventStreamTests: Sendable {
    private let reads = Mutex<[EventStream.Topic: Int]>([:])

    /// Runs a server with a stream. The text of a topic is the number of its reading, and `padding`.
    private func withStream(padding: Int = 0, _ body: (TestClient) async throws -> Void) async throws {
        let router = Router()
        let stream = EventStream { [self] topic in
            let count = reads.withLock { reads in
                reads[topic, default: 0] += 1
                return reads[topic]!
            }
            return [UInt8]("\(count)".utf8) + [UInt8](repeating: UInt8(ascii: " "), count: padding)
        }
        router.get("/events", stream.answer)
        try await withTestServer(router, .live, body)
    }

    private func count(_ topic: EventStream.Topic) -> Int { reads.withLock { $0[topic] ?? 0 } }

    @Test func `a stream begins with one event per topic, and goes on at the interval`() async throws {
        try await withStream { client in
            try await client.withConnection { connection in
                try await connection.send(.get, "/events?topics=routes,timeline,state")
                let head = try await connection.receiveHead()
                #expect(head.headers[.contentType] == "text/event-stream" && head.headers[.cacheControl] == "no-store")
                var text = ""
                let began = ContinuousClock.now
                while ContinuousClock.now - began < .milliseconds(2_100) {
                    text += String(decoding: try await connection.receiveChunk() ?? [], as: UTF8.self)
                }
                let beginning = """
                    retry: 2000

                    id: 1
                    event: state
                    data: 1

                    id: 2
                    event: routes
                    data: 1

                    id: 3
                    event: timeline
                    data: 1


                    """
                #expect(text.hasPrefix(beginning), "\(text)")
                let counts = ["state", "timeline"].map { text.components(separatedBy: "event: \($0)\n").count - 1 }
                // At most one per second, and four: fewer on a busy machine.
                #expect(2...4 ~= counts[0] && counts[0] < counts[1] && counts[1] <= 10, "\(counts)")
            }
        }
    }

    @Test func `viewers share the readings`() async throws {
        try await withStream { client in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        try await client.withConnection { connection in
                            try await connection.send(.get, "/events")
                            for _ in 0..<3 { _ = try await connection.receive(until: "event: state") }
                        }
                    }
                }
                try await group.waitForAll()
            }
            // One per second for all six, which read three each.
            #expect(3...9 ~= count(.state), "\(count(.state))")
        }
    }

    @Test func `there is a limit of viewers, and a place is free again when one has left`() async throws {
        try await withStream { client in
            var viewers: [TestConnection] = []
            for _ in 0..<EventStream.mostViewers {
                let viewer = try await client.connect()
                try await viewer.send(.get, "/events")
                _ = try await viewer.receive(until: "data: ")
                viewers.append(viewer)
            }
            for _ in 0..<3 {
                let refused = try await client.get("/events")
                #expect(refused.status == .serviceUnavailable)
                #expect(refused.text == "8 viewers are connected already: close one of them\n")
            }
            try await viewers.removeLast().close()
            try await client.withConnection { connection in
                while true {
                    try await connection.send(.get, "/events")
                    if try await connection.receiveHead().status == .ok { break }
                    _ = try await connection.receivePiece()
                }
            }
            for viewer in viewers { try await viewer.close() }
        }
    }

    @Test func `a viewer that reads slowly gets the newest state, not all in between`() async throws {
        try await withStream(padding: 16 << 20) { client in
            let slow = try await client.connect()
            try await slow.send(.get, "/events")
            #expect(try await slow.receiveHead().status == .ok)
            try await client.withConnection { fast in
                try await fast.send(.get, "/events")
                _ = try await fast.receiveHead()
                while count(.state) < 5 { _ = try await fast.receivePiece() }
            }
            // The first event, which did not fit into the buffers of the sockets, and then the newest.
            var text: [UInt8] = []
            while String(decoding: text, as: UTF8.self).split(separator: "data:").count < 3 {
                text += try #require(try await slow.receivePiece()).filter { $0 != UInt8(ascii: " ") }
            }
            let second = try #require(
                String(decoding: text, as: UTF8.self).firstMatch(of: /data:1\n\nid:2\nevent:state\ndata:([0-9]+)/))
            #expect(try #require(Int(second.1)) >= 4)
            try await slow.close()
        }
    }

    @Test func `a stream ends by itself when the server drains`() async throws {
        let router = Router()
        router.get("/events", EventStream { _ in [UInt8]("1".utf8) }.answer)
        var configuration = HTTPServerConfiguration()
        configuration.port = 0
        try await withServer(router, configuration) { port, server in
            let client = TestClient(to: .tcp(port: port))
            try await client.withConnection { viewer in
                try await viewer.send(.get, "/events?every=30")
                _ = try await viewer.receiveHead()
                _ = try await viewer.receivePiece()
                server.stop(grace: .seconds(30))
                // Up to the last chunk: a stream that is cut throws.
                while try await viewer.receivePiece() != nil {}
            }
            await client.close()
        }
    }
}
