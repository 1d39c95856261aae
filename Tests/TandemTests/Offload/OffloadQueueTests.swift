internal import Testing

@testable import Tandem

@Suite(.timeLimit(.minutes(1)))
struct OffloadQueueTests {
    private func job(_ number: Int, _ log: Recorder<Int>) -> OffloadJob {
        OffloadJob({ log.add(number) }, answering: Event<Void>())
    }

    @Test func `jobs leave in order of arrival, without withdrawn ones`() {
        let log = Recorder<Int>()
        var queue = OffloadQueue()
        #expect(queue.popFirst() == nil)
        let tickets = (0..<10).map { queue.append(job($0, log)) }
        for number in [0, 4, 5, 9] { #expect(queue.remove(tickets[number]) != nil) }
        #expect(queue.remove(tickets[4]) == nil)
        #expect(queue.count == 6)
        while let (ticket, job) = queue.popFirst() {
            #expect(queue.remove(ticket) == nil)
            job.run {}
        }
        #expect(log.all == [1, 2, 3, 6, 7, 8])
        #expect(queue.count == 0)
        let later = queue.append(job(10, log))
        #expect(!tickets.contains(later))
        #expect(queue.popFirst()?.ticket == later)
    }

    @Test func `a refused caller gets the error, and the body does not run`() {
        let log = Recorder<Int>()
        let caller = Event<Void>()
        OffloadJob({ log.add(1) }, answering: caller).refuse(TandemError(.poolStopped, "stopped"))
        #expect(throws: TandemError(.poolStopped, "")) { try caller.outcome?.get() }
        #expect(log.count == 0)
    }

    @Test func `the pool's counts are updated before the caller resumes`() {
        let caller = Event<Int>()
        OffloadJob({ 3 }, answering: caller).run { #expect(caller.outcome == nil) }
        #expect(throws: Never.self) { try #expect(caller.outcome?.get() == 3) }
    }
}
