import Tandem
import Testing

/// Calls from tasks that are on no hub: they move to a hub for the length of the call.
@Suite("Visits of a hub", .timeLimit(.minutes(1)))
struct HubVisitTests {
    struct Broken: Error {}

    /// The calls that move to a hub, by name.
    static let calls: [(String, @Sendable () async throws -> Bool)] = [
        ("blocking", { await blocking { Hub.current != nil } }),
        (
            "blocking, which waits",
            {
                try await blocking {
                    try sleep(for: .milliseconds(1)); return Hub.current != nil
                }
            }
        ),
        ("withTimeout", { try await withTimeout(.seconds(10)) { Hub.current != nil } }),
        ("withCancellationShield", { await withCancellationShield { Hub.current != nil } }),
        (
            "a wait",
            {
                let event = Event<Void>()
                Task.detached { event.send(()) }
                try await event.wait()
                return true
            }
        ),
    ]

    @Test("the call runs on a hub, and its caller goes on where it was", arguments: calls.indices)
    func thereAndBack(index: Int) async throws {
        let (name, call) = Self.calls[index]
        try await Task.detached {
            for _ in 0..<3 {
                #expect(Hub.current == nil, "before \(name)")
                let wasOnHub = try await call()
                #expect(wasOnHub, "\(name)")
                #expect(Hub.current == nil, "after \(name)")
            }
        }.value
    }

    @Test("a caller goes on where it was also when the call throws")
    func throwing() async throws {
        await Task.detached {
            await #expect(throws: Broken.self) { try await blocking { throw Broken() } }
            #expect(Hub.current == nil)
            await #expect(throws: Broken.self) { try await withTimeout(.seconds(10)) { throw Broken() } }
            #expect(Hub.current == nil)
        }.value
    }

    @MainActor @Test("an actor's code goes on on its actor")
    func actors() async throws {
        #expect(await blocking { Hub.current != nil })
        MainActor.assertIsolated()
        #expect(Hub.current == nil)
    }
}
