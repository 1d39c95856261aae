internal import Synchronization
internal import Tandem

/// A query of hubs for state that only their own threads can read. It does not wait for a hub that code holds.
///
/// Each hub gets at most one job at a time, which answers all the questions that wait for it.
final class HubInquiry: Sendable {
    private typealias Question = @Sendable (Hub) async -> Void

    /// The maximum number of questions that wait for one hub.
    private static let most = 64

    /// The questions that wait for each hub.
    private let waiting = Mutex<[ObjectIdentifier: [Question]]>([:])

    /// Runs `question` on each hub and returns the answers; nil for a hub that does not answer within `patience`, or that has not
    /// answered 64 earlier questions. Must be called on a hub.
    func ask<Answer: Sendable>(
        _ hubs: [Hub], within patience: Duration, _ question: @escaping @Sendable (Hub) async -> Answer
    ) async -> [(hub: Hub, answer: Answer?)] {
        let asked = hubs.map { ($0, post(question, to: $0)) }
        let deadline = Deadline.after(patience)
        var answers: [(hub: Hub, answer: Answer?)] = []
        for (hub, answer) in asked { answers.append((hub, try? await answer?.wait(deadline: deadline))) }
        return answers
    }

    private func post<Answer: Sendable>(
        _ question: @escaping @Sendable (Hub) async -> Answer, to hub: Hub
    ) -> Event<Answer>? {
        let key = ObjectIdentifier(hub)
        let answer = Event<Answer>()
        let position = waiting.withLock { waiting -> Int? in
            let count = waiting[key]?.count ?? 0
            guard count < Self.most else { return nil }
            waiting[key, default: []].append { answer.send(await question($0)) }
            return count
        }
        guard let position else { return nil }
        if position == 0 {
            hub.spawn(name: "inquiry") { [self] in
                for question in waiting.withLock({ $0.removeValue(forKey: key) }) ?? [] { await question(hub) }
            }
        }
        return answer
    }
}
