@testable import TandemDaemon
import Synchronization

/// A flag that says whether the service accepts requests. Any thread.
final class ReadinessFlag: Sendable {
    private let state = Mutex<Bool?>(nil)

    func set(_ isServing: Bool) { state.withLock { $0 = isServing } }

    var readiness: Readiness {
        switch state.withLock({ $0 }) {
        case nil: Readiness(phase: "starting", isReady: false)
        case true?: Readiness(phase: "serving", isReady: true)
        case false?: Readiness(phase: "draining", isReady: false)
        }
    }
}
