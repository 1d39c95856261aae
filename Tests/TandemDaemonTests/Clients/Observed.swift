import Synchronization
import Tandem
import TandemHTTP
import Testing

/// Everything that a test of this directory may leave behind is counted by the process, so one runs after the other.
@Suite(.serialized, .timeLimit(.minutes(1)))
enum ClientTests {}

/// What foreign clients are tested against, beside the service's own endpoints.
struct Observed: Sendable {
    let peers = Tally()
    let ids = Tally()
    let cancelled = Event<Void>()
    let continued = Event<Void>()

    func addRoutes(to router: Router) {
        // Counts who asks, by address and by number.
        router.post("/observed/id") { request in
            let id = String(decoding: try await request.body.collect(upTo: 100), as: UTF8.self)
            peers.add(request.remoteAddress)
            ids.add(id)
            return Response(text: id)
        }
        // An upload comes back when all of it has arrived. An answer that begins before is more than nginx 1.22 can do without
        // buffers: it may stop reading its client for good, with bytes there to be read.
        router.post("/observed/async/whole") { Response(body: try await $0.body.collect(upTo: 16_000_000)) }
        router.post("/observed/blocking/whole") { Response(body: try $0.body.collect(upTo: 16_000_000)) }
        router.get("/observed/peer") { request in
            peers.add(request.remoteAddress)
            return Response(text: request.remoteAddress)
        }
        // The second part comes when the client has shown that it has the first.
        router.get("/observed/halves") { _ in
            Response(streaming: { writer in
                try writer.write(Array("first\n".utf8))
                try continued.wait()
                try writer.write(Array("second\n".utf8))
            })
        }
        router.post("/observed/continue") { _ async in
            continued.send(())
            return Response(status: .noContent)
        }
        router.get("/observed/endless") { _ in
            do { try await sleep(for: .seconds(600)) } catch {
                cancelled.send(())
                throw error
            }
            return Response(text: "nobody waits that long")
        }
    }
}

/// Counts by name, from any thread.
final class Tally: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    var all: [String: Int] { counts.withLock { $0 } }
    func add(_ name: String) { counts.withLock { $0[name, default: 0] += 1 } }
}
