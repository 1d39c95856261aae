internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct ResolveTests {
    /// Resolves in the given style. No test uses the network.
    private func resolve(
        _ style: OffloadStyle, _ host: String, port: UInt16 = 80, deadline: Deadline = .never, on pool: OffloadPool = .resolver
    ) async throws -> [SocketEndpoint] {
        switch style {
        case .async: try await Tandem.resolve(host: host, port: port, deadline: deadline, on: pool)
        case .green: try await blocking { try Tandem.resolve(host: host, port: port, deadline: deadline, on: pool) }
        case .thread: try await onThread { try Tandem.resolve(host: host, port: port, deadline: deadline, on: pool) }
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `localhost resolves to each loopback address once`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let endpoints = try await resolve(style, "localhost", port: 8080, on: pool)
            #expect(!endpoints.isEmpty)
            #expect(Set(endpoints).count == endpoints.count)
            for endpoint in endpoints {
                #expect(endpoint.address.scope == .loopback)
                #expect(endpoint.port == 8080)
            }
            #expect(pool.statistics.completed == 1)
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `a numeric address needs no thread and is returned in canonical form`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let four = try await resolve(style, "127.0.0.1", on: pool)
            #expect(four.map(\.description) == ["127.0.0.1:80"])
            #expect(four.map(\.address) == [.v4(0x7F00_0001)])
            let six = try await resolve(style, "2001:DB8:0:0::0001", port: 65535, on: pool)
            #expect(six.map(\.description) == ["[2001:db8::1]:65535"])
            #expect(six.map(\.address) == [.v6(0x2001_0DB8_0000_0000, 1)])
            #expect(pool.statistics.threads == 0)
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `a link-local address keeps its zone`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let endpoints = try await resolve(style, "fe80::1%lo", on: pool)
            #expect(endpoints.map(\.description) == ["[fe80::1%lo]:80"])
            #expect(endpoints.map(\.zone) == [if_nametoindex("lo")])
            #expect(endpoints.map(\.address) == [IPAddress("fe80::1")])
        }
    }

    @Test func `a job may wait for a look-up through async code while the shared pool is full`()
        async throws
    {
        try await onHub {
            let jobs = (0..<100).map { _ in
                GreenThread { try offload { try awaiting { try await Tandem.resolve(host: "localhost", port: 1) }.count } }
            }
            for job in jobs { try await #expect(job.wait() > 0) }
        }
    }

    // A label has at most 63 bytes, so no resolver sends a query for this one.
    @Test(arguments: OffloadStyle.allCases, [String(repeating: "x", count: 64) + ".invalid", ""])
    func `an unknown name fails with the resolver's reason`(style: OffloadStyle, host: String) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let error = await #expect(throws: TandemError.self) { _ = try await resolve(style, host, on: pool) }
            #expect(error?.code == .nameNotResolved)
            #expect(error?.message.contains("\"\(host)\"") == true)
            #expect(error?.message.contains("Name or service not known") == true, "\(error?.message ?? "")")
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `a zero byte in the name is refused`(style: OffloadStyle) async throws {
        try await onHub {
            await #expect(throws: TandemError(.invalidArgument, "")) { _ = try await resolve(style, "localhost\0.example.org") }
        }
    }

    @Test(arguments: OffloadStyle.allCases)
    func `a deadline or a cancel ends the wait while the look-up continues`(style: OffloadStyle) async throws {
        try await onHubWithPool(threads: 1) { pool in
            let gate = Gate()
            let busy = Hub.current!.spawn { try await pool.run { gate.pass() } }
            try await turnUntil { gate.arrived.value == 1 }
            await #expect(throws: TandemError(.timedOut, "")) {
                _ = try await resolve(style, "localhost", deadline: .after(.milliseconds(1)), on: pool)
            }
            if style != .thread {
                let caller = Hub.current!.spawn { try await resolve(style, "localhost", on: pool) }
                try await turnUntil { pool.statistics.queued == 1 }
                caller.cancel()
                await #expect(throws: CancellationError.self) { _ = try await caller.value }
            }
            // A numeric address needs no thread.
            let known = try await resolve(style, "::1", on: pool)
            #expect(known.count == 1)
            gate.open()
            try await busy.value
        }
    }

    @Test func `the blocking form called directly in async code throws an error that says so`() async throws {
        try await onHub {
            #expect(throws: TandemError(.notOnGreenThread, "")) {
                _ = try synchronously { try Tandem.resolve(host: "localhost", port: 80) }
            }
        }
    }
}
