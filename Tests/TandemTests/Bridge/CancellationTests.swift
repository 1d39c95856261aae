internal import Testing

@testable import Tandem

/// Cancellation across both bridges and every kind of wait.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct CancellationTests {
    /// The ways in which a green thread can wait.
    enum Place: String, CaseIterable, Sendable {
        case sleep, zeroSleep, event, descriptorRead, descriptorWrite, parker, greenThread
        case awaitingSleep, awaitingEvent, awaitingForeignSleep, awaitingBlockingSleep

        /// Waits there until cancelled. `never` is never sent, and the peer of `socket` reads and writes nothing.
        func wait(never: Event<Void>, socket: Descriptor, stuck: GreenThread<Void>) throws {
            switch self {
            case .sleep: try Tandem.sleep(for: forever)
            case .zeroSleep: while true { try Tandem.sleep(for: .zero) }
            case .event: try never.wait()
            case .descriptorRead:
                try socket.wait(for: .readable)
                _ = try socket.receive() as String
            case .descriptorWrite: try [UInt8](repeating: 1, count: 1 << 20).withUnsafeBytes { try socket.write($0) }
            case .parker: try Parker().park()
            case .greenThread: try stuck.wait()
            case .awaitingSleep: try awaiting { try await Tandem.sleep(for: forever) }
            case .awaitingEvent: try awaiting { try await never.wait() }
            case .awaitingForeignSleep: try awaiting { try await Task.sleep(for: forever) }
            case .awaitingBlockingSleep: try awaiting { try await blocking { try Tandem.sleep(for: forever) } }
            }
        }
    }

    @Test(arguments: Place.allCases)
    func `a cancelled wait throws CancellationError at its line, and the green thread unwinds`(place: Place) async throws {
        try await onHub {
            let never = Event<Void>()
            let stuck = GreenThread { try never.wait() }
            let (a, b) = try descriptorPair(bufferSize: 4096)
            defer {
                a.close()
                b.close()
            }
            let log = Recorder<String>()
            let entered = Event<Void>()
            let socket = Loan(a)
            let task = Hub.current!.spawn {
                try await blocking {
                    entered.send(())
                    defer { log.add("deferred") }
                    do {
                        try place.wait(never: never, socket: socket.value, stuck: stuck)
                        log.add("after")
                    } catch {
                        log.add("\(error)")
                        throw error
                    }
                }
            }
            try await entered.wait()
            for _ in 0..<3 { try await sleep(for: .zero) }
            #expect(log.all == [])
            task.cancel()
            task.cancel()  // harmless
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(log.all == ["CancellationError()", "deferred"])
            stuck.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await stuck.wait() }
        }
    }

    @Test func `a cancel takes effect at the thread's next wait`() async throws {
        try await onHub {
            let itself = Event<GreenThread<[String]>>()
            let thread = GreenThread<[String]> {
                var log: [String] = []
                try itself.wait().cancel()
                log.append("still running, cancelled: \(Task.isCancelled)")
                do { try Event<Void>().wait() } catch { log.append("\(error)") }
                return log
            }
            itself.send(thread)
            let log = try await thread.wait()
            #expect(log == ["still running, cancelled: true", "CancellationError()"])
        }
    }

    @Test func `cleanup that waits after a cancellation is cancelled too`() async throws {
        try await onHub {
            let log = Recorder<String>()
            let thread = GreenThread {
                do { try sleep(for: forever) } catch {
                    for wait in [{ try sleep(for: .microseconds(1)) }, { try awaiting { try await sleep(for: forever) } }]
                        as [() throws -> Void]
                    {
                        do { try wait() } catch { log.add("\(error)") }
                    }
                    throw error
                }
            }
            try await turnUntilParked(1)
            thread.cancel()
            await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
            #expect(log.all == ["CancellationError()", "CancellationError()"])
        }
    }

    @Test func `a canceller that waits resumes only after the green code has unwound`() async throws {
        try await onHub {
            let log = Recorder<String>()
            let entered = Event<Void>()
            let task = Hub.current!.spawn {
                do {
                    try await blocking {
                        defer { log.add("unwound") }
                        entered.send(())
                        do { try sleep(for: forever) } catch {
                            // Ignores its cancellation for a while, as cleanup code may.
                            for _ in 0..<5 { try awaiting { await Task.yield() } }
                            throw error
                        }
                    }
                } catch {
                    log.add("awaiter")
                    throw error
                }
            }
            try await entered.wait()
            try await sleep(for: .zero)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(log.all == ["unwound", "awaiter"])
        }
    }

    @Test func `a suppressed cancellation delivers the result through every level`() async throws {
        try await onHub {
            let entered = Event<Void>()
            let thread = GreenThread {
                try awaiting {
                    try await blocking {
                        try awaiting {
                            entered.send(())
                            do { try await sleep(for: forever) } catch { await Task.yield() }
                            return 7
                        }
                    }
                }
            }
            try await entered.wait()
            thread.cancel()
            #expect(try await thread.wait() == 7)
        }
    }

    @Test func `a cancelled task may still borrow a stack and run code that does not wait`() async throws {
        try await onHub {
            let task = Hub.current!.spawn {
                withUnsafeCurrentTask { $0!.cancel() }
                return await blocking { Task.isCancelled }
            }
            let isCancelled = try await task.value
            #expect(isCancelled)
        }
    }

    @Test func `cancelling a task group cancels its children's blocking code and waits for it`() async throws {
        try await onHub {
            let unwound = Counter()
            await withThrowingTaskGroup { group in
                for _ in 0..<100 {
                    group.addTask {
                        try await blocking {
                            defer { unwound.add() }
                            try sleep(for: forever)
                        }
                    }
                }
                try? await sleep(for: .zero)
                group.cancelAll()
            }
            #expect(unwound.value == 100)
        }
    }

    @Test func `a cancel from another thread reaches a parked green thread`() async throws {
        try await onHub {
            for _ in 0..<200 {
                let entered = Event<Void>()
                let thread = GreenThread {
                    entered.send(())
                    try sleep(for: forever)
                }
                startThread {
                    // The cancel comes before, during or after the park.
                    _ = try? entered.wait()
                    thread.cancel()
                }
                await #expect(throws: TandemError(.threadCancelled, "")) { try await thread.wait() }
            }
        }
    }

    @Test func `either the cancel or the awaited event wins a race between them`() async throws {
        try await onHub {
            var outcomes = [0, 0]
            for _ in 0..<1_000 {
                let event = Event<Int>()
                let thread = GreenThread { try event.wait() }
                try await turnUntilParked(1)
                startThread { event.send(1) }
                startThread { thread.cancel() }
                do {
                    #expect(try await thread.wait() == 1)
                    outcomes[0] += 1
                } catch {
                    #expect(error as? TandemError == TandemError(.threadCancelled, ""))
                    outcomes[1] += 1
                }
            }
            #expect(outcomes[0] + outcomes[1] == 1_000)
        }
    }
}
