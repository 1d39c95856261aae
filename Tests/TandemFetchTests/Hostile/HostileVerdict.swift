import Tandem
import TandemFetch

/// Compares a caller's result with what its plan permits.
struct HostileVerdict {
    let plan: HostilePlan
    let outcome: HostileExchange.Outcome
    let ledger: HostileLedger
    let time: ClosedRange<ContinuousClock.Instant>

    /// The fault, or nil.
    var fault: String? {
        if outcome.isOverdue || outcome.took > plan.patience + HostileExchange.slack {
            return "ended only after \(outcome.took), the deadline was \(plan.patience)"
        }
        let excuse = ledger.excuse(of: plan.exchange)
        if excuse == .strayBytes { return nil }
        return headFault ?? (outcome.isComplete ? answerFault : bodyFault ?? errorFault(excuse))
    }

    /// A fault in the head: it must belong to this exchange.
    private var headFault: String? {
        guard let status = outcome.status else { return nil }
        guard status == plan.status, outcome.exchange == "\(plan.exchange)" else {
            return "got the head of another answer: \(status), exchange \(outcome.exchange ?? "none"), \(bodyText)"
        }
        return nil
    }

    private var answerFault: String? {
        if plan.permitted == .error { return "got an answer, \(bodyText), where only an error is permitted" }
        return outcome.body == plan.body ? nil : "got a wrong body as complete: \(bodyText)"
    }

    /// A fault in the body: its bytes must belong to this exchange.
    private var bodyFault: String? {
        guard plan.misbehaviour.hasTrueBytes, !plan.body.starts(with: outcome.body) else { return nil }
        return "got bytes that are not of its body: \(bodyText)"
    }

    private func errorFault(_ excuse: HostileLedger.Excuse?) -> String? {
        // A stream that was closed early has no error.
        guard let error = outcome.error else { return nil }
        if isCancellation(error) { return plan.call.cancelMicroseconds == nil ? "ended with \(error), uncancelled" : nil }
        guard let failure = error as? FetchError else { return "ended with \(type(of: error)): \(error)" }
        let told = "failed with \(failure.code): \(failure.message)"
        guard plan.permitted == .answer else { return nil }
        // The end of a connection does not excuse waiting for the deadline.
        if failure.isTimeout { return told }
        if plan.call.mayBeRepeated { return excuse == nil ? told : "\(told), though it may be repeated on a fresh connection" }
        // The ledger notes a reset before the connection is reset.
        let around = time.lowerBound - .milliseconds(500)...time.upperBound
        return excuse == .connectionEnded || ledger.wasReset(in: around) ? nil : told
    }

    private func isCancellation(_ error: any Error) -> Bool {
        error is CancellationError || (error as? TandemError)?.code == .threadCancelled
    }

    /// The beginning of the body, and the place where it differs from the plan's.
    private var bodyText: String {
        let at =
            zip(outcome.body, plan.body).enumerated().first { $1.0 != $1.1 }?.offset ?? min(outcome.body.count, plan.body.count)
        let text = String(decoding: outcome.body.dropFirst(max(0, at - 20)).prefix(60), as: UTF8.self)
        return "\(outcome.body.count) bytes, different from byte \(at): \(text.debugDescription)"
    }
}
