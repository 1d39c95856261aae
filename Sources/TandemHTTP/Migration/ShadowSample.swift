internal import Logging
internal import Tandem

// @unchecked: used on its hub only, except that a handler may hold it elsewhere without calling it.
/// A sampled request of a migrating route: its answer, and the second run that is compared with it. Used only on its hub.
///
/// | state | event | next |
/// | --- | --- | --- |
/// | `offered` | the handler begins: a task waits, with the task-locals of the handler | `waiting` |
/// | `waiting` | the answer has been sent, and the hub has time | `running` |
/// | `running` | the second run has ended, and was compared | `ended` |
/// | `running` | its time is over: it is cancelled and counted, and keeps its place until it ends | `running`, then `ended` |
/// | `offered`, `waiting` | a middleware answers, the request fails, is too long or too slow, the hub is busy, the server drains | `ended` |
final class ShadowSample: AnswerSample, @unchecked Sendable {
    private enum State { case offered, waiting, running, ended }

    private let migrations: HubMigrations
    private let hub: Hub
    private let state: MigrationState
    private let answeredByNew: Bool
    private let run: MigrationReport.Run
    private let isHead: Bool
    private let limits: MigrationConfiguration
    private let parker = Parker(for: "an answer to compare with")

    private var phase = State.offered
    private var timer: HubTimer?
    private var task: Task<Void, any Error>?
    private var isTaskRunning = false
    private var request: Request?
    private var body: KeptBody?
    private var answer: KeptAnswer?
    private var stream: KeptStream?
    private var began: UInt64 = 0
    private var hasTimedOut = false

    init(
        _ migrations: HubMigrations, _ state: MigrationState, answeredByNew: Bool, run: MigrationReport.Run, isHead: Bool
    ) {
        self.migrations = migrations
        self.state = state
        self.answeredByNew = answeredByNew
        self.run = run
        self.isHead = isHead
        hub = migrations.hub
        limits = migrations.configuration
    }

    // MARK: The answer

    /// Begins the task that waits for the answer. Returns the request for the handler, whose body is copied while it is read.
    func begin(_ request: Request) -> Request {
        // A middleware may call the handler on another thread, where there is nothing to wait with.
        guard hub.isCurrent, phase == .offered else { return request }
        phase = .waiting
        began = hub.clockTime
        timer = HubTimer(on: hub) { [unowned self] in timeIsOver() }
        timer?.arm(.after(limits.shadowTimeout))
        self.request = request
        task = hub.spawn(name: state.route.shadowName) { [self] in
            isTaskRunning = true
            await runShadow()
            migrations.ended(self)
        }
        guard request.body.contentLength != 0 else { return request }
        let body = KeptBody(of: request.body, limit: limits.shadowMaxBodyBytes)
        self.body = body
        return request.with(RequestBody(contentLength: request.body.contentLength, source: body))
    }

    /// Keeps the handler's answer, and returns it: its stream is copied while it is sent.
    func keep(_ response: Response) -> Response {
        guard hub.isCurrent, phase == .waiting else { return response }
        answer = KeptAnswer(response)
        if let body = answer?.body, body.count > limits.compareMaxBytes {
            skip(.size)
        } else if case .stream = response.body, runsStream(of: response) {
            let kept = KeptStream(limit: limits.compareMaxBytes) { [weak self] in self?.skip(.size) }
            stream = kept
            return response.recorded(by: kept)
        }
        state.count { $0.took(.answer, nanoseconds: hub.clockTime &- began) }
        return response
    }

    /// Whether the server runs the stream of this answer: it does not for HEAD, and with a status that allows no body.
    private func runsStream(of response: Response) -> Bool { !isHead && response.mayHaveBody }

    /// Keeps the error that the handler threw.
    func keep(_ error: any Error) {
        guard hub.isCurrent, phase == .waiting else { return }
        answer = KeptAnswer(error)
    }

    /// The request has ended.
    func answered(_ outcome: AccessLogEntry.Outcome, maxGreenThreads: Int, isDraining: Bool) {
        guard phase == .waiting else {
            if phase == .offered { skip(.middleware) }
            return
        }
        let streamFailed = stream?.error.map { !($0 is CancellationError || $0 is TandemError) } ?? false
        guard answer != nil, outcome == .completed || streamFailed else { return skip(.cancelled) }
        if let body, !body.isComplete || body.isTooLong { return skip(.body) }
        if let stream {
            // A middleware has replaced the answer.
            guard stream.hasEnded else { return skip(.middleware) }
            answer?.body = stream.bytes
            answer?.error = stream.error.map { "\(type(of: $0))" }
        }
        migrations.start(self, maxGreenThreads: maxGreenThreads, isDraining: isDraining)
    }

    /// Starts the second run.
    func start() {
        guard phase == .waiting else { return }
        phase = .running
        timer?.arm(.after(limits.shadowTimeout))
        parker.unpark()
    }

    /// Ends the sample without a comparison, and cancels a second run.
    func skip(_ reason: MigrationReport.SkipReason) {
        guard phase != .ended, !hasTimedOut else { return }
        state.count { $0.skip(reason) }
        if phase == .running, isTaskRunning { hasTimedOut = true } else { end() }
        task?.cancel()
    }

    private func timeIsOver() {
        guard phase == .running else { return skip(.cancelled) }
        hasTimedOut = true
        state.count {
            $0.count(run, .timeout)
            $0.add(Self.timeout, run, samples: limits.samples)
        }
        if !isTaskRunning { end() }
        task?.cancel()
    }

    /// The difference between an answer and none in time.
    private static let timeout: ComparisonResult = {
        var result = ComparisonResult()
        result.add(AnswerDifference(.init(.error, "timeout"), .missing, shape: "no answer in time"))
        return result
    }()

    private func end() {
        phase = .ended
        timer = nil
        stream?.stop()
        body?.stop()
        (request, body, answer, stream) = (nil, nil, nil, nil)
        // The task keeps the sample's place until it has unwound. One that is cancelled before its first step never runs.
        if !isTaskRunning { migrations.ended(self) }
    }

    // MARK: The second run

    private func runShadow() async {
        guard (try? await parker.park()) != nil, phase == .running, let request, let answer else {
            if phase != .ended { skip(.cancelled) }
            return
        }
        let copy = request.with(RequestBody(body?.bytes ?? []))
        let handler = (run == .candidate) != answeredByNew ? state.route.pair.new : state.route.pair.old
        let began = hub.clockTime
        let (second, failed) = await Shadow.$isActive.withValue(true) {
            await withLogger(mergingMetadata: ["shadow": "true"]) { _ in await answerAgain(handler, copy) }
        }
        defer { if phase != .ended { end() } }
        guard !hasTimedOut else { return }
        state.count { $0.took(run, nanoseconds: hub.clockTime &- began) }
        await compare(answer, second, failed)
    }

    /// Runs a handler and its stream. Returns the answer, and whether the handler failed.
    private func answerAgain(_ handler: Handler, _ request: Request) async -> (KeptAnswer, failed: Bool) {
        do {
            let response = try await handler.answer(request, name: state.route.shadowName)
            var answer = KeptAnswer(response)
            guard case .stream(let length, let code) = response.body, runsStream(of: response) else {
                if response.bodyCount > limits.compareMaxBytes { (answer.body, answer.isTooLong) = (nil, true) }
                return (answer, false)
            }
            // The body of the first answer is at most this long, so a longer one differs and need not go on.
            let kept = KeptStream(limit: limits.compareMaxBytes) { [weak self] in self?.task?.cancel() }
            let writer = ResponseWriter(ShadowSink(kept, on: hub), contentLength: length, draining: request.draining)
            do {
                try await code.write(to: writer, name: state.route.shadowName)
                try writer.end()
            } catch {
                if !kept.isTooLong { answer.error = "\(type(of: error))" }
            }
            answer.isTooLong = kept.isTooLong
            answer.body = kept.isTooLong ? nil : kept.bytes
            return (answer, answer.error != nil)
        } catch {
            return (KeptAnswer(error), !(error is HTTPError))
        }
    }

    private func compare(_ answer: KeptAnswer, _ second: KeptAnswer, _ failed: Bool) async {
        // The report calls the two old and new, whichever answered. A control has the answering handler on both sides.
        let (old, new) = answeredByNew && run == .candidate ? (second, answer) : (answer, second)
        let comparison = state.route.pair.comparison
        let result: ComparisonResult
        if let oldBody = old.body, let newBody = new.body, oldBody.count + newBody.count > Self.longestOnHub, oldBody != newBody {
            // Parsing takes long enough for other requests to notice.
            guard let compared = try? await offload({ comparison.compare(old, new) }) else { return skip(.busy) }
            result = compared
        } else {
            result = comparison.compare(old, new)
        }
        guard !hasTimedOut else { return }
        let outcome: MigrationReport.Outcome =
            !result.differences.isEmpty ? (failed ? .failed : .differs) : result.ignored.isEmpty ? .match : .ignored
        state.count { $0.count(run, outcome) }
        state.count { $0.add(result, run, samples: migrations.configuration.samples) }
    }

    /// The size in bytes of two bodies that are compared on the hub.
    private static let longestOnHub = 64 * 1024
}
