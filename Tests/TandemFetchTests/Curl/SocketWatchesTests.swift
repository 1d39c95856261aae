import Glibc
import Tandem
import TandemFetch
import Testing

@Suite(.timeLimit(.minutes(1)))
struct SocketWatchesTests {
    /// Both ends of a new pipe.
    private func pipe() -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [0, 0]
        precondition(Glibc.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    @Test func `a number that is closed and reopened is watched again`() async throws {
        try await onHub { _ in
            var told: [CInt] = []
            var watches = SocketWatches { fd, _ in told.append(fd) }
            let old = pipe()
            let new = pipe()
            try watches.watch(old.reading, for: .readable)
            // The watches are not told, and epoll forgets the number.
            close(old.reading)
            #expect(dup2(new.reading, old.reading) == old.reading)
            try watches.watch(old.reading, for: .readable)
            #expect(watches.count == 1)
            #expect(write(new.writing, "x", 1) == 1)
            try await until { !told.isEmpty }
            #expect(told.first == old.reading)
            watches.removeAll()
            for fd in [old.reading, old.writing, new.reading, new.writing] { close(fd) }
        }
    }

    @Test func `readiness is reported with libcurl's flags`() async throws {
        try await onHub { _ in
            // CURL_CSELECT_IN, _OUT and _ERR.
            let (input, output, failure): (CInt, CInt, CInt) = (1, 2, 4)
            var told: [CInt: Set<CInt>] = [:]
            var watches = SocketWatches { fd, events in told[fd, default: []].insert(events) }
            let (full, empty) = (pipe(), pipe())
            #expect(write(full.writing, "x", 1) == 1)
            try watches.watch(full.reading, for: .readable)
            try watches.watch(empty.reading, for: .readable)
            try watches.watch(empty.writing, for: .writable)
            try await until { told.count == 2 }
            #expect(told == [full.reading: [input], empty.writing: [output]])
            // The pipe has no reader any more.
            watches.remove(empty.reading)
            close(empty.reading)
            try await until { told[empty.writing]?.contains { $0 & failure != 0 } == true }
            watches.removeAll()
            for fd in [full.reading, full.writing, empty.writing] { close(fd) }
        }
    }

    @Test func `removing an unknown or closed number is harmless`() async throws {
        try await onHub { _ in
            var watches = SocketWatches { _, _ in }
            watches.remove(12345)
            let ends = pipe()
            try watches.watch(ends.reading, for: .readable)
            close(ends.reading)
            watches.remove(ends.reading)
            watches.remove(ends.reading)
            #expect(watches.count == 0)
            close(ends.writing)
        }
    }

    @Test func `watching a closed number is an error`() async throws {
        try await onHub { _ in
            var watches = SocketWatches { _, _ in }
            #expect(throws: TandemError.self) { try watches.watch(54321, for: .readable) }
            #expect(watches.count == 0)
        }
    }
}
