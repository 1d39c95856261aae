internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct DescriptorTests {
    // MARK: Dropping

    @Test func `a descriptor that is dropped on its hub is closed and reported`() async throws {
        let reports = Recorder<HubReport>()
        var configuration = HubConfiguration()
        configuration.onReport = { reports.add($0) }
        let group = try HubGroup(count: 1, configuration: configuration)
        try await group.hubs[0].spawn { () async throws in
            let hub = Hub.current!
            var ends: [CInt] = [0, 0]
            let kind = CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            #expect(socketpair(AF_UNIX, kind, 0, &ends) == 0)
            let (reading, writing) = (ends[0], ends[1])
            var dropped: Descriptor? = try Descriptor(adopting: reading)
            #expect(hub.statistics.descriptors == 1 && dropped != nil)
            dropped = nil
            #expect(hub.statistics.descriptors == 0)
            #expect(fcntl(reading, F_GETFD) == -1 && errno == EBADF)
            // A watch does not own its number.
            var watch: Descriptor? = try Descriptor(watching: writing, for: .writable) { _ in }
            #expect(watch != nil)
            watch = nil
            #expect(hub.statistics.descriptors == 0)
            #expect(close(writing) == 0)
            #expect(reports.all.map(\.kind) == [.dropped, .dropped])
            #expect(reports.all[0].message.hasPrefix("Descriptor \(reading) was dropped without close()"))
            #expect(reports.all[1].message.hasPrefix("Descriptor \(writing) was dropped without stopWatching()"))
        }.value
        await group.shutdown()
    }

    // MARK: Reading and writing

    @Test func `async code and a green thread exchange data`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let green = GreenThread { [b = Loan(b)] in
                let question: String = try b.value.receive()
                try b.value.send("\(question), world")
            }
            try await sleep(for: .zero)
            try a.send("hello")
            #expect(try await a.receive() == "hello, world")
            try await green.wait()
        }
    }

    @Test func `a handler without a task is called once for data and once for the end`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer { b.close() }
            var told = 0
            a.whenReadable { told += 1 }
            // Nothing has been read yet, so there may be data.
            #expect(told == 1)
            #expect(try read(a) == nil)
            a.whenReadable { told += 1 }
            try b.send("hello")
            try await turnUntil { told == 2 }
            try b.send("again")
            try await sleep(for: .milliseconds(5))
            #expect(told == 2)
            let text: String = try await a.receive()
            #expect(text == "helloagain")
            #expect(try read(a) == nil)
            a.whenReadable { told += 1 }
            a.wakeReader()
            #expect(told == 3)
            #expect(try read(a) == nil)
            a.whenReadable { told += 1 }
            a.close()
            #expect(told == 4)
            a.whenReadable { told += 1 }
            #expect(told == 5)
        }
    }

    /// One event reports both. A short read must not assume that another event will report the end.
    @Test func `a handler that reads the data that came with the end is called again for the end`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer { a.close() }
            #expect(try read(a) == nil)
            var reads: [Int?] = []
            func look() {
                let count = try? read(a)
                reads.append(count)
                if count != 0 { a.whenReadable { look() } }
            }
            a.whenReadable { look() }
            try b.send("hello")
            b.close()
            try await turnUntil { reads.last == 0 }
            #expect(reads.first == 5)
        }
    }

    /// Reads the available bytes without waiting.
    private func read(_ descriptor: Descriptor) throws -> Int? {
        try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { try descriptor.readAvailable(into: $0) }
    }

    @Test func `one reader and one writer wait on the same descriptor`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair(bufferSize: 4096)
            defer {
                a.close()
                b.close()
            }
            let big = [UInt8](repeating: 7, count: 1 << 20)
            let writer = GreenThread { [a = Loan(a)] in try big.withUnsafeBytes { try a.value.write($0) } }
            let reader = GreenThread { [a = Loan(a)] in try a.value.receive() }
            try await turnUntilParked(2)
            #expect(!writer.isFinished)
            #expect(!reader.isFinished)
            try b.send("while you write")
            #expect(try await reader.wait() == "while you write")
            #expect(!writer.isFinished)
            #expect(try await drain(b, big.count).allSatisfy { $0 == 7 })
            try await writer.wait()
        }
    }

    /// Reads exactly `count` bytes.
    private func drain(_ descriptor: Descriptor, _ count: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 10_000, alignment: 1)
        defer { buffer.deallocate() }
        while bytes.count < count {
            let got = try await descriptor.read(into: buffer)
            guard got > 0 else { break }
            bytes += buffer[..<got]
        }
        return bytes
    }

    @Test func `megabytes cross small socket buffers unchanged, from blocking to async and back`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair(bufferSize: 4096)
            defer {
                a.close()
                b.close()
            }
            var random = SeededGenerator(seed: 11)
            let bytes = (0..<(2 << 20)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let sender = GreenThread { [a = Loan(a)] in try bytes.withUnsafeBytes { try a.value.write($0) } }
            #expect(try await drain(b, bytes.count) == bytes)
            try await sender.wait()

            let receiver = GreenThread { [a = Loan(a)] in
                var received: [UInt8] = []
                try withUnsafeTemporaryAllocation(byteCount: 10_000, alignment: 1) { buffer in
                    while received.count < bytes.count { received += buffer[..<(try a.value.read(into: buffer))] }
                }
                return received
            }
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
            defer { copy.deallocate() }
            copy.copyBytes(from: bytes)
            try await b.write(UnsafeRawBufferPointer(copy))
            #expect(try await receiver.wait() == bytes)
        }
    }

    @Test func `an accepted connection is non-blocking and echoes`() async throws {
        try await onHub {
            let (listening, address) = tcpListener()
            let listener = try Descriptor(adopting: listening)
            let server = GreenThread { [listener = Loan(listener)] in
                try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { room in
                    while true {
                        if let (fd, length) = try listener.value.acceptAvailable(address: room) {
                            #expect(length == MemoryLayout<sockaddr_in>.size)
                            #expect(fcntl(fd, F_GETFL) & CInt(O_NONBLOCK) != 0)
                            #expect(fcntl(fd, F_GETFD) & FD_CLOEXEC != 0)
                            let peer = try Descriptor(adopting: fd)
                            try peer.send(try peer.receive())
                            peer.close()
                            return
                        }
                        try listener.value.wait(for: .readable)
                    }
                }
            }
            try await sleep(for: .zero)
            let number = tcpSocket()
            startConnecting(number, to: address)
            let client = try Descriptor(adopting: number)
            try client.send("over tcp")
            #expect(try await client.receive() == "over tcp")
            #expect(try await client.receive() == "", "the end of the stream")
            try await server.wait()
            client.close()
            listener.close()
        }
    }

    @Test func `a short message is not taken for the end`() async throws {
        try await onHub {
            let (c, d) = socketPair(type: CInt(SOCK_DGRAM.rawValue))
            let (a, b) = (try Descriptor(adopting: c), try Descriptor(adopting: d))
            for text in ["one", "two", "three"] { try b.send(text) }
            for text in ["one", "two", "three"] { #expect(try await a.receive() == text) }
            a.close()
            b.close()
        }
    }

    // MARK: Misuse

    @Test func `a second reader gets an error that names the file descriptor`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let first = GreenThread { [a = Loan(a)] in try a.value.receive() }
            try await turnUntilParked(1)
            let error = await #expect(throws: TandemError.self) { _ = try await a.receive() }
            #expect(error?.code == .descriptorBusy)
            #expect(error?.message.contains("file descriptor \(a.fd) ") == true)
            try b.send("to the first")
            #expect(try await first.wait() == "to the first")
        }
    }

    @Test func `a regular file is refused, with the reason`() async throws {
        try await onHub {
            let fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
            defer { close(fd) }
            let error = #expect(throws: TandemError.self) { _ = try Descriptor(adopting: fd) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("file descriptor \(fd) is a regular file") == true)
        }
    }

    @Test func `a registered number and a bad number are refused`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            #expect(throws: TandemError(.descriptorBusy, "")) { _ = try Descriptor(adopting: a.fd) }
            #expect(throws: TandemError(.systemCall, "", errno: EBADF)) { _ = try Descriptor(adopting: 1_000_000) }
            #expect(throws: TandemError(.systemCall, "", errno: EBADF)) { _ = try Descriptor(adopting: -1) }
        }
    }

    @Test func `a descriptor cannot be made outside a hub`() {
        #expect(throws: TandemError(.hubStopped, "")) { _ = try Descriptor(adopting: 0) }
    }

    @Test func `dropping an open descriptor on another thread ends the process`() async {
        await #expect(processExitsWith: .failure) {
            let hub = try HubGroup(count: 1).hubs[0]
            let box = Box<Descriptor>()
            box.value = try await hub.spawn { () async throws in Loan(try Descriptor(adopting: socketPair().0)) }.value.value
            // The hub's task holds it too, until the task has gone.
            try await Task.sleep(for: .milliseconds(200))
            box.value = nil
        }
    }

    // MARK: Ending

    @Test(arguments: [Descriptor.Direction.readable, .writable])
    func `closing wakes the waiters of both styles with closed`(direction: Descriptor.Direction) async throws {
        try await onHub {
            for green in [false, true] {
                let (a, b) = try descriptorPair(bufferSize: 4096)
                defer {
                    a.close()
                    b.close()
                }
                try exhaust(a)
                let loan = Loan(a)
                let waiter = Hub.current!.spawn {
                    if green {
                        try await blocking { try loan.value.wait(for: direction) }
                    } else {
                        try await loan.value.wait(for: direction)
                    }
                }
                try await turnUntilParked(1)
                a.close()
                await #expect(throws: TandemError(.closed, "")) { try await waiter.value }
                a.close()  // harmless
                #expect(throws: TandemError(.closed, "")) { try a.send("x") }
                await #expect(throws: TandemError(.closed, "")) { _ = try await a.receive() }
                await #expect(throws: TandemError(.closed, "")) { try await a.wait(for: direction) }
                b.close()
            }
        }
    }

    @Test func `a relinquished number stays open and can be adopted again`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let again = try Descriptor(adopting: a.relinquish())
            try b.send("still here")
            #expect(try await again.receive() == "still here")
            #expect(throws: TandemError(.closed, "")) { try a.send("x") }
            again.close()
            b.close()
        }
    }

    @Test func `a reused number is never confused with its previous owner`() async throws {
        try await onHub {
            var reused = 0
            var last: CInt = -1
            for round in 0..<2_000 {
                let (a, b) = try descriptorPair()
                defer {
                    a.close()
                    b.close()
                }
                if a.fd == last { reused += 1 }
                last = a.fd
                let loan = Loan(a)
                let waiter = Hub.current!.spawn { _ = try await loan.value.receive() }
                try await sleep(for: .zero)
                // The byte's event and the close come in the same turn. The event must not reach the next owner.
                try b.send("for the old owner")
                a.close()
                b.close()
                let (c, d) = try descriptorPair()
                defer {
                    c.close()
                    d.close()
                }
                try exhaust(c)
                let next = Hub.current!.spawn { [c = Loan(c)] in try await c.value.receive() }
                // Either the wait ended with the close, or the byte came first.
                do { try await waiter.value } catch { #expect(error as? TandemError == TandemError(.closed, "")) }
                try await sleep(for: .zero)
                #expect(c.peer == [])
                try d.send("\(round)")
                #expect(try await next.value == "\(round)")
            }
            #expect(reused > 0)
        }
    }

    @Test(arguments: [false, true])
    func `a deadline ends the wait with timedOut, and leaves nothing behind`(green: Bool) async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            let before = Hub.counts.living
            for _ in 0..<10 {
                await #expect(throws: TandemError(.timedOut, "")) {
                    if green {
                        try await blocking { let _: String = try a.receive(deadline: .after(.microseconds(100))) }
                    } else {
                        _ = try await a.receive(deadline: .after(.microseconds(100)))
                    }
                }
                #expect(Hub.counts.living == before)
            }
            try b.send("later")
            #expect(try await a.receive(deadline: .after(forever)) == "later")
            #expect(Hub.counts.living == before)
        }
    }

    /// Reads and writes until neither is possible, so that the next read and the next write have to wait.
    private func exhaust(_ descriptor: Descriptor) throws {
        try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            buffer.initializeMemory(as: UInt8.self, repeating: 0)
            while try descriptor.writeAvailable(UnsafeRawBufferPointer(buffer)) != nil {}
            #expect(try descriptor.readAvailable(into: buffer) == nil)
        }
    }

    // MARK: Peers

    @Test func `a peer's half-close and close are each reported once`() async throws {
        try await onHub {
            let (a, b) = try descriptorPair()
            defer {
                a.close()
                b.close()
            }
            var seen: [Descriptor.PeerState] = []
            a.onPeerChange = { seen.append($0) }
            try b.send("last words")
            shutdown(b.fd, CInt(SHUT_WR))
            try await turnUntil { !seen.isEmpty }
            #expect(seen == [.halfClosed])
            #expect(a.peer == .halfClosed)
            #expect(try await a.receive() == "last words")
            #expect(try await a.receive() == "")
            #expect(try await a.receive() == "", "again and again")
            try a.send("it can still read")
            #expect(try await b.receive() == "it can still read")
            b.close()
            try await turnUntil { seen.count > 1 }
            #expect(seen == [.halfClosed, [.halfClosed, .gone]])
            a.close()
        }
    }

    @Test func `a reset wakes the reader with the kernel's error and reports the peer as gone`() async throws {
        try await onHub {
            let (listening, address) = tcpListener()
            let number = tcpSocket()
            startConnecting(number, to: address)
            let accepted = accept(listening, nil, nil)
            let client = try Descriptor(adopting: number)
            var gone = false
            client.onPeerChange = { gone = $0.contains(.gone) }
            let reader = GreenThread { [client = Loan(client)] in try client.value.receive() }
            try await turnUntilParked(1)
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(accepted, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
            close(accepted)
            await #expect(throws: TandemError(.systemCall, "", errno: ECONNRESET)) { try await reader.wait() }
            #expect(gone)
            client.close()
            close(listening)
        }
    }

    @Test func `a descriptor may be closed and dropped by its own handler`() async throws {
        try await onHub {
            let (a, b) = socketPair()
            let holder = Box<Descriptor>()
            holder.value = try Descriptor(adopting: a)
            var told = 0
            holder.value!.onPeerChange = { _ in
                holder.value!.close()
                holder.value = nil
                told += 1
            }
            close(b)
            try await turnUntil { told > 0 }
            #expect(told == 1)
        }
    }

    // MARK: Watching

    @Test func `a watcher is called as long as its condition holds, and for nothing else`() async throws {
        try await onHub {
            let (a, b) = socketPair()
            var told: [Descriptor.WatchEvents] = []
            let watch = try Descriptor(watching: a, for: .readable) { told.append($0) }
            try await sleep(for: .milliseconds(1))
            #expect(told.isEmpty)
            write(b, "x", 1)
            try await turnUntil { told.count >= 3 }
            #expect(told.allSatisfy { $0 == .readable })
            try watch.watch(for: .writable)
            told = []
            try await turnUntil { told.count >= 3 }
            #expect(told.allSatisfy { $0 == .writable })
            watch.stopWatching()
            told = []
            try await sleep(for: .milliseconds(1))
            #expect(told.isEmpty)
            #expect(fcntl(a, F_GETFD) != -1, "the number belongs to somebody else")
            close(a)
            close(b)
        }
    }

    @Test func `a watcher may be stopped and dropped by its own handler`() async throws {
        try await onHub {
            let (a, b) = socketPair()
            let holder = Box<Descriptor>()
            let told = Counter()
            holder.value = try Descriptor(watching: a, for: .writable) { [big = (0..<100).map { $0 }] _ in
                holder.value!.stopWatching()
                holder.value = nil
                // The closure's captures must outlive the descriptor.
                told.add(big.count)
            }
            try await turnUntil { told.value > 0 }
            #expect(told.value == 100)
            close(a)
            close(b)
        }
    }
}
