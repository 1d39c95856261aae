internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct ParkerTests {
    @Test(arguments: [false, true])
    func `a parked caller resumes when it is unparked`(green: Bool) async throws {
        try await onHub {
            let parker = Parker()
            let loan = Loan(parker)
            let parked = Hub.current!.spawn {
                if green { try await blocking { try loan.value.park() } } else { try await loan.value.park() }
            }
            #expect(!parker.isOccupied)
            try await turnUntilParked(1)
            #expect(parker.isOccupied)
            parker.unpark()
            try await parked.value
            #expect(!parker.isOccupied)
        }
    }

    @Test func `one unpark without a parked caller is kept`() async throws {
        try await onHub {
            let parker = Parker()
            parker.unpark()
            parker.unpark()
            let before = Hub.counts.turns
            try await parker.park()
            #expect(Hub.counts.turns == before)
            await #expect(throws: TandemError(.timedOut, "")) { try await parker.park(deadline: .after(.microseconds(10))) }
            try await blocking {
                parker.unpark()
                try parker.park()
            }
        }
    }

    @Test(arguments: [false, true])
    func `cancellation and deadlines end the park and leave the parker usable`(green: Bool) async throws {
        try await onHub {
            let parker = Parker()
            let loan = Loan(parker)
            for round in 0..<3 {
                let deadline = round == 1 ? Deadline.after(.milliseconds(1)) : .never
                let parked = Hub.current!.spawn {
                    if green {
                        try await blocking { try loan.value.park(deadline: deadline) }
                    } else {
                        try await loan.value.park(deadline: deadline)
                    }
                }
                try await turnUntil { parker.isOccupied }
                switch round {
                case 0:
                    parked.cancel()
                    await #expect(throws: CancellationError.self) { try await parked.value }
                case 1:
                    await #expect(throws: TandemError(.timedOut, "")) { try await parked.value }
                default:
                    parker.unpark()
                    try await parked.value
                }
                #expect(!parker.isOccupied)
            }
        }
    }

    @Test func `two callers unpark each other in turn`() async throws {
        try await onHub {
            let (ping, pong) = (Loan(Parker()), Loan(Parker()))
            let log = Recorder<Int>()
            let green = GreenThread {
                for round in 0..<1_000 {
                    try ping.value.park()
                    log.add(2 * round)
                    pong.value.unpark()
                }
            }
            for round in 0..<1_000 {
                ping.value.unpark()
                try await pong.value.park()
                log.add(2 * round + 1)
            }
            try await green.wait()
            #expect(log.all == Array(0..<2_000))
        }
    }

    @Test func `an unpark that comes when the parked caller is cancelled but has not run is kept for the next`() async throws {
        // One job per turn, so that this task runs first in the turn that takes in the cancellation.
        var configuration = HubConfiguration()
        configuration.jobsPerTurn = 1
        try await onHub(configuration) {
            let parker = Parker()
            let loan = Loan(parker)
            let parked = GreenThread { try loan.value.park() }
            try await turnUntilParked(1)
            parked.cancel()
            await Task.yield()
            parker.unpark()
            do { try await parked.wait() } catch {
                #expect(error as? TandemError == TandemError(.threadCancelled, ""))
                try await parker.park(deadline: .after(.milliseconds(1)))
            }
        }
    }

    @Test func `an unpark that follows another before the parked caller has run is kept for the next`() async throws {
        try await onHub {
            let parker = Parker()
            let loan = Loan(parker)
            let done = Counter()
            let parked = GreenThread {
                try loan.value.park()
                done.add()
                try loan.value.park()
                done.add()
            }
            try await turnUntilParked(1)
            parker.unpark()
            parker.unpark()
            try await turnUntil { done.value == 2 }
            try await parked.wait()
        }
    }

    @Test func `parking outside a hub is refused`() async {
        await #expect(throws: TandemError(.hubStopped, "")) { try await Parker().park() }
    }
}
