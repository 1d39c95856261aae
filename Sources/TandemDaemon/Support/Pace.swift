internal import Tandem
internal import TandemHTTP

/// Lets one question at a time take long on the serving hubs, and rests after each for 100 times as long as it took there, at most a second.
/// So however many clients ask, a hub gives them about 1 % of its time. Must be used on the supervising hub.
final class Pace: Sendable {
    /// The time limit of a wait for other questions.
    private static let limit = Duration.seconds(5)

    private let turn = Semaphore(1)

    /// Runs `body`, which returns its result and the time that it took on the hub that it took longest on.
    ///
    /// - Throws: `HTTPError` 503 if other questions take too long; what `body` throws.
    func run<Success>(_ body: () async throws -> (Success, cost: Duration)) async throws -> Success {
        do { try await turn.acquire(deadline: .after(Self.limit)) } catch let error as TandemError where error.code == .timedOut {
            throw HTTPError(.serviceUnavailable, "too many requests ask the hubs: try again later", headers: [.retryAfter: "5"])
        }
        let outcome: Result<(Success, cost: Duration), any Error>
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        let cost = (try? outcome.get())?.cost ?? .zero
        if cost > .zero {
            spawn(name: "pace") { [turn] in
                defer { turn.release() }
                try await sleep(for: min(cost * 100, .seconds(1)))
            }
        } else {
            turn.release()
        }
        return try outcome.get().0
    }
}
