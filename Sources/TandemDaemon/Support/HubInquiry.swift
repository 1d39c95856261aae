internal import Synchronization
internal import Tandem

/// A query of hubs for state that only their own threads can read. It does not wait for a hub that code holds.
///
/// Each hub gets at most one job at a time, which answers all the short questions that wait for it, and one more for a question that takes
/// several turns.
final class HubInquiry: Sendable {
    private typealias Question = @Sendable (Hub) -> Void

    /// The maximum number of questions that wait for one hub.
    private static let most = 64

    /// The questions that wait for each hub.
    private let waiting = Mutex<[ObjectIdentifier: [Question]]>([:])

    /// The hubs that work on a question that takes several turns.
    private let busy = Mutex<Set<ObjectIdentifier>>([])

    /// Runs `question` on each hub and returns the answers; nil for a hub that does not answer within `patience`, or that has not
    /// answered 64 earlier questions. Must be called on a hub.
    func ask<Answer: Sendable>(
        _ hubs: [Hub], within patience: Duration, _ question: @escaping @Sendable (Hub) -> Answer
    ) async -> [(hub: Hub, answer: Answer?)] {
        await answers(hubs.map { ($0, post(question, to: $0)) }, within: patience)
    }

    /// Runs `question`, which takes several turns of a hub, on each hub and returns the answers; nil for a hub that does not answer within
    /// `patience`, or that still works on such a question. Must be called on a hub.
    func askAtLength<Answer: Sendable>(
        _ hubs: [Hub], within patience: Duration, _ question: @escaping @Sendable (Hub) async -> Answer
    ) async -> [(hub: Hub, answer: Answer?)] {
        let asked = hubs.map { hub -> (hub: Hub, answer: Event<Answer>?) in
            let key = ObjectIdentifier(hub)
            guard busy.withLock({ $0.insert(key).inserted }) else { return (hub, nil) }
            let answer = Event<Answer>()
            spawn(name: "inquiry") { [self] in
                // Throws if the hub has ended.
                _ = try? await hub.spawn(name: "inquiry") { answer.send(await question(hub)) }.value
                busy.withLock { _ = $0.remove(key) }
            }
            return (hub, answer)
        }
        return await answers(asked, within: patience)
    }

    private func answers<Answer: Sendable>(
        _ asked: [(hub: Hub, answer: Event<Answer>?)], within patience: Duration
    ) async -> [(hub: Hub, answer: Answer?)] {
        let deadline = Deadline.after(patience)
        var answers: [(hub: Hub, answer: Answer?)] = []
        for (hub, answer) in asked { answers.append((hub, try? await answer?.wait(deadline: deadline))) }
        return answers
    }

    private func post<Answer: Sendable>(
        _ question: @escaping @Sendable (Hub) -> Answer, to hub: Hub
    ) -> Event<Answer>? {
        let key = ObjectIdentifier(hub)
        let answer = Event<Answer>()
        let position = waiting.withLock { waiting -> Int? in
            let count = waiting[key]?.count ?? 0
            guard count < Self.most else { return nil }
            waiting[key, default: []].append { answer.send(question($0)) }
            return count
        }
        guard let position else { return nil }
        if position == 0 {
            hub.spawn(name: "inquiry") { [self] in
                for question in waiting.withLock({ $0.removeValue(forKey: key) }) ?? [] { question(hub) }
            }
        }
        return answer
    }
}
