internal import Testing

@testable import Tandem

@Suite(.timeLimit(.minutes(1)))
struct BacklogTests {
    struct Job: Equatable, Sendable {
        let urgency, number: Int
    }

    /// Pushes and pops in a seeded order, and compares with a plain array.
    @Test(arguments: [QueueOrder<Job>.fifo, .lifo, .priority { $0.urgency < $1.urgency }], 1...5 as ClosedRange<UInt64>)
    func `items leave in order, equal ones in order of arrival`(order: QueueOrder<Job>, seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var backlog = Backlog(order)
        var model: [Job] = []
        for number in 0..<2_000 {
            if Bool.random(using: &generator) || model.isEmpty {
                let job = Job(urgency: .random(in: 0..<5, using: &generator), number: number)
                backlog.push(job)
                model.append(job)
            } else {
                let next =
                    switch order.kind {
                    case .fifo: 0
                    case .lifo: model.count - 1
                    case .priority: model.indices.min { model[$0].urgency < model[$1].urgency }!
                    }
                #expect(backlog.pop() == model.remove(at: next))
            }
            #expect(backlog.count == model.count)
        }
        #expect(backlog.takeAll().sorted { $0.number < $1.number } == model)
        #expect(backlog.pop() == nil)
        #expect(backlog.count == 0)
    }
}
