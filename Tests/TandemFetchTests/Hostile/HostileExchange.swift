import HTTPTypes
import Tandem
import TandemFetch

/// One exchange of a plan, from the caller's side.
struct HostileExchange: Sendable {
    /// The caller's result.
    struct Outcome: Sendable {
        var status: Int?
        /// The `X-Exchange` field.
        var exchange: String?
        var body: [UInt8] = []
        var isComplete = false
        var error: (any Error)?
        var took = Duration.zero
        /// Whether the test had to cancel the exchange, long after its deadline.
        var isOverdue = false
    }

    /// How long after its deadline an exchange may end: time for scheduling, and for its producer to unwind.
    static let slack = Duration.seconds(3)

    let plan: HostilePlan
    let client: FetchClient
    let url: String

    /// Runs the exchange in its own task or green thread, and cancels it if the plan says so.
    func run(on hub: Hub) async -> Outcome {
        let began = ContinuousClock.now
        let overdue = Counter()
        let (cancel, result) = start(hub)
        let guardian = hub.spawn(after: plan.patience + HostileExchange.slack) {
            overdue.value += 1
            cancel()
        }
        if let delay = plan.call.cancelMicroseconds {
            try? await sleep(for: .microseconds(delay))
            cancel()
        }
        var outcome = Outcome()
        do { outcome = try await result() } catch { outcome.error = error }
        outcome.took = ContinuousClock.now - began
        outcome.isOverdue = overdue.value > 0
        guardian.cancel()
        _ = await guardian.result
        return outcome
    }

    private func start(_ hub: Hub) -> (cancel: @Sendable () -> Void, result: @Sendable () async throws -> Outcome) {
        switch plan.call.style {
        case .async:
            let task = hub.spawn { await fetch() }
            return ({ task.cancel() }, { try await task.value })
        case .blocking:
            let thread = GreenThread(on: hub) { fetchBlocking() }
            return ({ thread.cancel() }, { try await thread.wait() })
        }
    }

    // MARK: The call, in both styles

    private func fetch() async -> Outcome {
        var outcome = Outcome()
        do {
            switch plan.call.taking {
            case .whole: outcome.take(try await client.execute(request))
            case .stream(let pause):
                let stream = try await client.stream(request)
                outcome.take(stream)
                while let piece = try await stream.read() {
                    outcome.body += piece
                    if pause > 0, plan.pauses(after: outcome.body.count) { try await sleep(for: .microseconds(pause)) }
                }
                outcome.isComplete = true
            case .partial(let pieces):
                let stream = try await client.stream(request)
                defer { stream.close() }
                outcome.take(stream)
                for _ in 0..<pieces { outcome.body += try await stream.read() ?? [] }
            }
        } catch { outcome.error = error }
        return outcome
    }

    @available(*, noasync)
    private func fetchBlocking() -> Outcome {
        var outcome = Outcome()
        do {
            switch plan.call.taking {
            case .whole: outcome.take(try client.execute(request))
            case .stream(let pause):
                let stream = try client.stream(request)
                outcome.take(stream)
                while let piece = try stream.read() {
                    outcome.body += piece
                    if pause > 0, plan.pauses(after: outcome.body.count) { try sleep(for: .microseconds(pause)) }
                }
                outcome.isComplete = true
            case .partial(let pieces):
                let stream = try client.stream(request)
                defer { stream.close() }
                outcome.take(stream)
                for _ in 0..<pieces { outcome.body += try stream.read() ?? [] }
            }
        } catch { outcome.error = error }
        return outcome
    }

    private var request: FetchRequest {
        var request = FetchRequest(url: url, method: plan.call.method)
        request.deadline = .after(plan.patience)
        request.expectsContinue = plan.call.expectsContinue
        switch plan.call.body {
        case .none: break
        case .bytes: request.body = .bytes(plan.upload)
        case .stream(let count, let isAnnounced, let isRepeatable):
            request.body = body(isAnnounced ? count : nil, isRepeatable: isRepeatable, stalls: false)
        case .stalled(_, let total, let isAnnounced):
            request.body = body(isAnnounced ? total : nil, isRepeatable: false, stalls: true)
        }
        return request
    }

    /// A stream in the caller's style, in pieces of different sizes.
    private func body(_ length: Int?, isRepeatable: Bool, stalls: Bool) -> FetchBody {
        let pieces = plan.uploadPieces
        switch plan.call.style {
        case .async:
            return FetchBody(
                contentLength: length, isRepeatable: isRepeatable,
                streaming: { writer in
                    for piece in pieces { try await writer.write(piece) }
                    if stalls { try await sleep(for: .seconds(60)) }
                })
        case .blocking:
            return FetchBody(
                contentLength: length, isRepeatable: isRepeatable,
                streaming: { writer in
                    for piece in pieces { try writer.write(piece) }
                    if stalls { try sleep(for: .seconds(60)) }
                })
        }
    }
}

extension HostileExchange.Outcome {
    fileprivate mutating func take(_ response: FetchResponse) {
        (status, exchange) = (response.status.code, response.headers.exchange)
        (body, isComplete) = (response.body, true)
    }

    fileprivate mutating func take(_ stream: FetchStream) {
        (status, exchange) = (stream.status.code, stream.headers.exchange)
    }
}

extension HTTPFields {
    fileprivate var exchange: String? { self[HTTPField.Name("X-Exchange")!] }
}

extension HostilePlan {
    /// Whether the reader pauses at this number of bytes: about every other time.
    fileprivate func pauses(after count: Int) -> Bool { (count ^ exchange).nonzeroBitCount & 1 == 0 }

    /// The upload in pieces of 1 byte to 16 KiB.
    fileprivate var uploadPieces: [[UInt8]] {
        var random = HostileRandom(seed: seed, stream: ~exchange)
        var (pieces, rest): ([[UInt8]], ArraySlice<UInt8>) = ([], upload[...])
        while !rest.isEmpty {
            let piece = rest.prefix(random.pick([1, 100, 4000, 16_384]))
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}
