import Synchronization
import Tandem
import TandemHTTP
import Testing

/// The tests with foreign clients. They run one after the other, because leftovers are counted per process.
@Suite(.serialized, .timeLimit(.minutes(1)))
enum ClientTests {}

/// Endpoints for the tests with foreign clients, besides the service's own.
struct Observed: Sendable {
    let peers = Tally()
    let ids = Tally()
    let cancelled = Event<Void>()
    let continued = Event<Void>()

    func addRoutes(to router: Router) {
        // Counts requests by peer address and by id.
        router.post("/observed/id") { request in
            let id = String(decoding: try await request.body.collect(upTo: 100), as: UTF8.self)
            peers.add(request.remoteAddress)
            ids.add(id)
            return Response(text: id)
        }
        // Responds after the whole upload has arrived. nginx 1.22 without buffering cannot handle a response that begins earlier:
        // it may stop reading from its client permanently, although data is available.
        router.post("/observed/async/whole") { Response(body: try await $0.body.collect(upTo: 16_000_000)) }
        router.post("/observed/blocking/whole") { Response(body: try $0.body.collect(upTo: 16_000_000)) }
        router.get("/observed/peer") { request in
            peers.add(request.remoteAddress)
            return Response(text: request.remoteAddress)
        }
        // Sends the second part after the client has confirmed the first.
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

/// Counters by name. Any thread.
final class Tally: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    var all: [String: Int] { counts.withLock { $0 } }
    func add(_ name: String) { counts.withLock { $0[name, default: 0] += 1 } }
}
