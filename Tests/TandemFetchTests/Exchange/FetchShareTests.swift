import HTTPTypes
import Synchronization
import Tandem
import TandemFetch
import Testing

/// A body that never has to wait still lets others run. The tests count calls and measure no time.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct FetchShareTests {
    let upstream = Upstream()
    let client = FetchClient()

    @Test(arguments: Style.allCases) func `a reader lets others run before it exceeds its share`(_ style: Style)
        async throws
    {
        let url = upstream.url("/endless")
        try await onHub { hub in
            var request = FetchRequest(url: url)
            request.maxResponseBytes = .max
            let stream = try await style.stream(client, request)
            for _ in 0..<20 {
                // After this, the next read need not wait.
                try await until { stream.buffered > 0 }
                let progress = Progress()
                progress.start(hub)
                var bytes = 0
                switch style {
                case .async:
                    while !progress.hasRun { bytes += try await stream.read()?.count ?? 0 }
                case .blocking:
                    try await blocking { while !progress.hasRun { bytes += try stream.read()?.count ?? 0 } }
                }
                // One read takes the available bytes, at most 256 KiB, and the share is 1 MiB.
                #expect(bytes <= 4 * 256 * 1024)
            }
            stream.close()
        }
    }

    @Test(arguments: Style.allCases) func `a producer of single bytes lets others run after its share of writes`(_ style: Style)
        async throws
    {
        let url = upstream.url("/echo")
        try await onHub { hub in
            let progress = Progress()
            let body =
                switch style {
                case .async:
                    FetchBody(streaming: { writer in
                        progress.start(hub)
                        for _ in 0..<1_000 {
                            try await writer.write([7])
                            progress.writes.add(1, ordering: .relaxed)
                        }
                    })
                case .blocking:
                    FetchBody(streaming: { writer in
                        progress.start(hub)
                        for _ in 0..<1_000 {
                            try writer.write([7])
                            progress.writes.add(1, ordering: .relaxed)
                        }
                    })
                }
            _ = try await style.execute(client, FetchRequest(url: url, method: .post, body: body))
            #expect((0...64).contains(progress.before.load(ordering: .relaxed)))
        }
    }

    /// The number of writes before another task runs.
    private final class Progress: Sendable {
        let writes = Atomic(0)
        let before = Atomic(-1)
        var hasRun: Bool { before.load(ordering: .relaxed) >= 0 }
        func start(_ hub: Hub) {
            hub.spawn { self.before.store(self.writes.load(ordering: .relaxed), ordering: .relaxed) }
        }
    }
}
