internal import Synchronization
internal import Tandem

/// A query of hubs for state that only their own threads can read. It does not wait for a hub that code holds.
final class HubInquiry: Sendable {
    /// The hubs with an unanswered inquiry. Each hub has at most one.
    private let silent = Mutex<Set<ObjectIdentifier>>([])

    /// Runs `question` on each hub and returns the answers; nil for a hub that does not answer within `patience`. Must be called
    /// on a hub.
    func ask<Answer: Sendable>(
        _ hubs: [Hub], within patience: Duration, _ question: @escaping @Sendable (Hub) -> Answer
    ) async -> [(hub: Hub, answer: Answer?)] {
        let asked = hubs.map { ($0, start($0, question)) }
        let deadline = Deadline.after(patience)
        var answers: [(hub: Hub, answer: Answer?)] = []
        for (hub, answer) in asked { answers.append((hub, try? await answer?.wait(deadline: deadline))) }
        return answers
    }

    private func start<Answer: Sendable>(_ hub: Hub, _ question: @escaping @Sendable (Hub) -> Answer) -> Event<Answer>? {
        let key = ObjectIdentifier(hub)
        guard silent.withLock({ $0.insert(key).inserted }) else { return nil }
        let answer = Event<Answer>()
        hub.spawn(name: "inquiry") { [self] in
            let given = question(hub)
            // Before the answer is sent, because the caller may query the hub again as soon as it has the answer.
            silent.withLock { _ = $0.remove(key) }
            answer.send(given)
        }
        return answer
    }
}
