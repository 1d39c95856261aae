internal import CRegistry
internal import RegistryModel
internal import Synchronization

/// Sends requests to the registry.
final class Transport: Sendable {
    private let configuration: RegistryConfiguration
    private let idle = Mutex<[Handle]>([])

    init(_ configuration: RegistryConfiguration) { self.configuration = configuration }

    /// Sends a GET request and waits for its whole answer. Throws only `CancellationError`.
    func get(
        _ path: String, ifNoneMatch etag: String?, _ cancellation: Cancellation
    ) throws -> Result<Answer, RequestFailure> {
        try cancellation.check()
        let handle = idle.withLock { $0.popLast() } ?? Handle()
        defer { idle.withLock { $0.append(handle) } }
        let timeout = Int(configuration.requestTimeout / .milliseconds(1))
        var answer = registry_answer()
        defer { registry_answer_free(&answer) }
        let outcome = registry_get(
            handle.pointer, configuration.url + path, etag, timeout, isCancelled,
            Unmanaged.passUnretained(cancellation).toOpaque(), &answer)
        switch outcome {
        case registry_answered: return .success(Answer(answer))
        case registry_timed_out: return .failure(.timedOut)
        case registry_cancelled: throw CancellationError()
        default: return .failure(.connection)
        }
    }
}

/// An easy handle of libcurl, with the connection that it keeps. One thread uses it at a time.
private final class Handle: @unchecked Sendable {  // the list of idle handles gives it to one thread
    let pointer = registry_handle_create()

    deinit { registry_handle_free(pointer) }
}

/// Asks the cancellation behind `context`, for libcurl.
private func isCancelled(_ context: UnsafeRawPointer?) -> Bool {
    Unmanaged<Cancellation>.fromOpaque(context!).takeUnretainedValue().isCancelled
}

extension Answer {
    init(_ answer: registry_answer) {
        self.init(
            status: answer.status, etag: withUnsafeBytes(of: answer.etag, text),
            retryAfter: withUnsafeBytes(of: answer.retry_after, text),
            body: [UInt8](UnsafeBufferPointer(start: answer.body, count: answer.length)))
    }
}

/// Decodes the bytes before the first zero; nil if there are none.
private func text(_ bytes: UnsafeRawBufferPointer) -> String? {
    bytes.first == 0 ? nil : String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}
