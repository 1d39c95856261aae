import Tandem
import Testing

/// Calls from tasks that are on no hub: they move to a hub for the length of the call.
@Suite(.timeLimit(.minutes(1)))
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

    @Test(arguments: calls.indices)
    func `the call runs on a hub, and its caller resumes where it was`(index: Int) async throws {
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

    @Test func `the caller resumes where it was even when the call throws`() async throws {
        await Task.detached {
            await #expect(throws: Broken.self) { try await blocking { throw Broken() } }
            #expect(Hub.current == nil)
            await #expect(throws: Broken.self) { try await withTimeout(.seconds(10)) { throw Broken() } }
            #expect(Hub.current == nil)
        }.value
    }

    @MainActor @Test func `an actor's code resumes on its actor`() async throws {
        #expect(await blocking { Hub.current != nil })
        MainActor.assertIsolated()
        #expect(Hub.current == nil)
    }
}
