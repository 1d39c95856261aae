internal import Glibc
internal import Synchronization
internal import Testing

@testable import Tandem

/// Where a stream may be used, and who closes it.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct StreamOwnershipTests {
    /// Keeps an object until it is told to drop it.
    private final class Holder<Object: AnyObject & Sendable>: Sendable {
        private let object: Mutex<Object?>
        init(_ object: Object) { self.object = Mutex(object) }
        func drop() {
            let dropped = object.withLock { object in
                defer { object = nil }
                return object
            }
            withExtendedLifetime(dropped) {}
        }
    }

    @Test func `a dropped stream or listener leaves no descriptor`() async throws {
        try await onHub(hubs: .one("counts descriptors")) {
            let before = openDescriptors()
            do {
                let listener = try TCPListener(port: 0)
                let client = try await TCPStream.connect(to: listener.local)
                let server = try await listener.accept()
                #expect(openDescriptors() == before + 3)
                try await client.write("hello")
                #expect(try await server.readExactly(5).count == 5)
            }
            #expect(openDescriptors() == before)
            #expect(Hub.counts.descriptors == 0)
        }
    }

    @Test func `a stream that its reader alone holds is closed when the reader is cancelled`() async throws {
        try await onHub(hubs: .one("counts descriptors")) {
            let before = openDescriptors()
            let (a, b) = try streamPair()
            let readers = [spawn { [b] in try await b.readLine() }, spawn { try await a.readLine(.green) }]
            try await turnUntilParked(2)
            for reader in readers { reader.cancel() }
            for reader in readers { #expect(await reader.result.failure is CancellationError) }
            _ = consume a
            _ = consume b
            try await turnUntil { openDescriptors() == before }
        }
    }

    @Test func `a stream that is dropped on another thread is closed by its hub`() async throws {
        try await onHub(hubs: .one("counts descriptors")) {
            let before = openDescriptors()
            let (a, b) = try streamPair()
            let holder = Holder(a)
            _ = consume a
            try await onThread { holder.drop() }
            #expect(try await b.read(atMost: 1) == nil)
            b.close()
            #expect(openDescriptors() == before)
            #expect(Hub.counts.descriptors == 0)
        }
    }

    @Test func `close from another thread wakes the reader`() async throws {
        try await onHub {
            let (a, b) = try streamPair()
            let listener = try TCPListener(port: 0)
            let reader = spawn { try await a.readLine() }
            let acceptor = spawn { _ = try await listener.accept() }
            try await turnUntilParked(2)
            try await onThread {
                a.close()
                listener.close()
            }
            #expect((await reader.result.failure as? TandemError)?.code == .closed)
            #expect((await acceptor.result.failure as? TandemError)?.code == .closed)
            b.close()
        }
    }

    @Test func `streams that outlive their hub are closed when they are dropped`() async throws {
        let before = openDescriptors()
        let (a, b) = try await onThread {
            try Hub.run {
                let (a, b) = try streamPair()
                return (Holder(a), Holder(b))
            }
        }
        #expect(openDescriptors() > before)
        try await onThread { a.drop() }
        b.drop()
        try await turnUntilClosed(before)
    }

    @Test func `threads that close a stream at once after its hub has ended close it once`() async throws {
        let before = openDescriptors()
        for _ in 0..<20 {
            let stream = try await onThread {
                try Hub.run {
                    let (a, b) = try streamPair()
                    b.close()
                    return a
                }
            }
            await withTaskGroup { group in
                for _ in 0..<8 { group.addTask { stream.close() } }
            }
        }
        try await turnUntilClosed(before)
    }

    @Test func `streams that are dropped while their hub stops are closed`() async throws {
        let before = openDescriptors()
        for _ in 0..<20 {
            try await onThread {
                let done = ThreadEvent()
                try Hub.run {
                    let (a, b) = try streamPair()
                    let holders = [Holder(a), Holder(b)]
                    for holder in holders {
                        startThread {
                            holder.drop()
                            done.set()
                        }
                    }
                }
                done.wait()
            }
        }
        try await turnUntilClosed(before)
    }

    /// Waits until no more descriptors are open than before. What remains of a hub is closed on threads of Swift's own.
    private func turnUntilClosed(_ before: Int) async throws {
        // `Task.sleep` would open a descriptor of libdispatch's.
        let isClosed = try await onThread {
            for _ in 0..<1_000 {
                if openDescriptors() <= before { return true }
                usleep(5_000)
            }
            return false
        }
        #expect(isClosed)
    }

    @Test func `a stream of another hub is refused`() async throws {
        try await onHub(hubs: .one("shares streams")) {
            let (a, b) = try streamPair()
            let listener = try TCPListener(port: 0)
            let group = try HubGroup(count: 1)
            let errors = try await group.hubs[0].spawn {
                var errors: [TandemError?] = []
                errors.append(await tandemError { _ = try await a.readLine() })
                errors.append(await tandemError { try await a.write("x") })
                errors.append(await tandemError { _ = try await listener.accept() })
                errors.append(await tandemError { _ = try a.receiveAvailable(into: .init(start: nil, count: 0)) })
                errors.append(await tandemError { _ = try await a.wait(for: .readable) })
                errors.append(await tandemError { _ = try await a.readLine(.green) })
                errors.append(await tandemError { _ = try await listener.accept(.green) })
                return errors
            }.value
            for error in errors { #expect(error?.code == .wrongHub) }
            try await onThread { group.shutdown() }
            try await b.write("unharmed\n")
            #expect(try await a.readLine() == "unharmed")
        }
    }

    @Test func `an OS thread without a hub gets an error that says so`() async throws {
        try await onHub(hubs: .one("shares streams")) {
            let (a, _b) = try streamPair()
            defer { _b.close() }
            let listener = try TCPListener(port: 0)
            let errors = try await onThread {
                [
                    self.error { _ = try a.readLine() }, self.error { _ = try a.read(atMost: 1) },
                    self.error { try a.write("x") },
                    self.error { try a.finishWriting() }, self.error { _ = try listener.accept() },
                    self.error { _ = try TCPStream.connect(host: "127.0.0.1", port: 1) },
                    self.error { _ = try UnixStream.connect(path: "/nowhere") },
                ]
            }
            for error in errors {
                #expect(error?.code == .notOnGreenThread)
                #expect(error?.message.contains("on an OS thread that runs no hub") == true)
            }
            #expect(try await onThread { self.error { _ = try TCPListener(port: 0) } }?.code == .hubStopped)
        }
    }

    private func error(_ body: () throws -> Void) -> TandemError? {
        do {
            try body()
            return nil
        } catch { return error as? TandemError }
    }

    @Test func `a task on no hub gets an error that says so`() async throws {
        try await onHub(hubs: .one("shares streams")) {
            let (a, _b) = try streamPair()
            defer { _b.close() }
            let listener = try TCPListener(port: 0)
            let errors = await Task.detached {
                [
                    await tandemError { _ = try await a.readLine() }, await tandemError { try await a.write("x") },
                    await tandemError { _ = try await listener.accept() },
                    await tandemError { _ = try await TCPStream.connect(host: "127.0.0.1", port: 1) },
                    await tandemError { _ = try await UnixStream.connect(path: "/nowhere") },
                    await tandemError { _ = try TCPListener(port: 0) },
                    await tandemError { _ = try UnixListener(path: "/nowhere/x") },
                    await tandemError { _ = try UnixListener(abstractName: "x") },
                ]
            }.value
            for error in errors { #expect(error?.code == .hubStopped) }
        }
    }
}
