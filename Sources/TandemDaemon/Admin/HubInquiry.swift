internal import Synchronization
internal import Tandem

/// Asks hubs something that only their own threads know, and does not wait for one that code holds.
final class HubInquiry: Sendable {
    /// Those that have been asked and have not answered: they are not asked again until they have.
    private let silent = Mutex<Set<ObjectIdentifier>>([])

    /// What each hub answers; nil for one that does not within this time. On a hub.
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
            // Before the answer is there: who has it may ask again at once.
            silent.withLock { _ = $0.remove(key) }
            answer.send(given)
        }
        return answer
    }
}
