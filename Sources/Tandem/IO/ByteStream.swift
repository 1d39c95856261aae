internal import CTandem

/// A connection that carries bytes in both directions, with every waiting call in both styles.
///
/// `TCPStream` and `UnixStream` are streams. A type that conforms implements the requirements below, which do not wait except for
/// `wait(for:)`; extensions add the calls that applications use: `read`, `readLine`, `readExactly`, `write`, `finishWriting`.
///
/// **One reader and one writer.** At most one call may read and one may write at a time. A second one throws `TandemError`
/// `descriptorBusy`, because it would tear the first one's line or message apart.
///
/// **One hub.** A stream belongs to the hub on which it was made. It is `Sendable` so that green threads and tasks of that hub can
/// capture it, and every call checks where it runs. On another hub a call throws `TandemError` `wrongHub`. On a thread without a
/// hub, an async call throws `hubStopped`, and a blocking one `notOnGreenThread`. `close` works on any thread.
///
/// **Nothing is lost.** A read that is cancelled or times out leaves the received bytes in the stream, and the next read returns
/// them.
///
/// **Ownership.** The stream owns its descriptor. `close` closes it; so does dropping the last reference, on any thread.
public protocol ByteStream: AnyObject, Sendable {
    /// The hub that the stream belongs to.
    var hub: Hub { get }

    /// The bytes received and not yet read. A conforming type creates one per stream, and uses it for nothing else.
    var buffer: StreamBuffer { get }

    /// Receives what is available without waiting. Returns the number of bytes, 0 at the end of the stream, or nil if nothing is
    /// available. Ignores `buffer`: applications call `read`.
    ///
    /// - Throws: `TandemError` `closed`, `hubStopped`, `wrongHub` or `systemCall`.
    func receiveAvailable(into memory: UnsafeMutableRawBufferPointer) throws -> Int?

    /// Sends as many bytes as possible without waiting. Returns their number, or nil if none can be sent now. After nil, the
    /// next call gets the same bytes, possibly at another address.
    ///
    /// - Throws: `TandemError` `closed`, `hubStopped`, `wrongHub` or `systemCall`.
    func sendAvailable(_ bytes: UnsafeRawBufferPointer) throws -> Int?

    /// Sends what `sendAvailable` has taken and the kernel has not. Returns false if the call must be repeated when the stream is
    /// writable. The default returns true: a plain socket keeps nothing.
    ///
    /// - Throws: `TandemError` `closed`, `hubStopped`, `wrongHub` or `systemCall`.
    func flushSending() throws -> Bool

    /// Announces the end of what this side sends. Returns false if the call must be repeated when the stream is writable.
    ///
    /// - Throws: `TandemError` `closed`, `hubStopped`, `wrongHub` or `systemCall`.
    func finishSending() throws -> Bool

    /// Suspends until `receiveAvailable` (`.readable`) or `sendAvailable`, `flushSending` and `finishSending` (`.writable`) may do
    /// more than before.
    ///
    /// - Throws: `CancellationError`, or `TandemError` `timedOut`, `closed`, `descriptorBusy`, `hubStopped` or `wrongHub`.
    func wait(for direction: Descriptor.Direction, deadline: Deadline) async throws

    /// Parks the green thread. Otherwise the same as the async form. Also throws `TandemError` `notOnGreenThread` or `wrongTask`.
    @available(*, noasync)
    func wait(for direction: Descriptor.Direction, deadline: Deadline, file: StaticString, line: UInt) throws

    /// Closes the stream. Any thread. Calls that wait throw `TandemError` `closed`, and so does every later call. Bytes that were
    /// not read are dropped. A second call does nothing.
    ///
    /// On the hub's thread the stream is closed when this returns; on any other thread the hub closes it in one of its next turns.
    func close()
}

extension ByteStream {
    /// Returns true: the stream keeps nothing that `sendAvailable` has taken.
    public func flushSending() throws -> Bool { true }
}

/// The result of a step of a call that does not wait.
enum StreamStep<Value> {
    /// The call is done.
    case done(Value)
    /// Bytes were moved, and the call needs another step.
    case again
    /// The call has to wait for the stream.
    case wait
}

/// The two loops, one per style, of all calls of a stream.
extension ByteStream {
    /// Repeats `step` until it is done; suspends when it has to wait, or when the running job's share of the hub is used up.
    func repeatUntilDone<Value>(
        _ direction: Descriptor.Direction, _ call: StaticString, _ deadline: Deadline, _ step: () throws -> StreamStep<Value>
    ) async throws -> Value {
        try hub.checkIsCurrent(call)
        try buffer.begin(direction, call)
        defer { buffer.end(direction) }
        let deadline = deadline.onThisClock
        while true {
            if hub.mustGiveWay { await hub.giveWay() }
            switch try step() {
            case .done(let value): return value
            case .again: continue
            case .wait: try await wait(for: direction, deadline: deadline)
            }
        }
    }

    /// Repeats `step` until it is done; parks the green thread when it has to wait. Otherwise the same as the async form.
    @available(*, noasync)
    func repeatUntilDone<Value>(
        _ direction: Descriptor.Direction, _ call: StaticString, _ deadline: Deadline, _ file: StaticString, _ line: UInt,
        _ step: () throws -> StreamStep<Value>
    ) throws -> Value {
        _ = try currentFiberOnHub(call, file, line)
        try hub.checkIsCurrent(call)
        try buffer.begin(direction, call)
        defer { buffer.end(direction) }
        let deadline = deadline.onThisClock
        while true {
            if hub.mustGiveWay { hub.giveWay() }
            switch try step() {
            case .done(let value): return value
            case .again: continue
            case .wait: try wait(for: direction, deadline: deadline, file: file, line: line)
            }
        }
    }
}

extension Hub {
    /// Throws unless the caller runs on this hub, to which what it uses belongs: `TandemError` `hubStopped` on a thread without a
    /// hub, `wrongHub` on another hub.
    package func checkIsCurrent(_ call: StaticString) throws(TandemError) {
        guard !isCurrent else { return }
        guard let current = Hub.current else {
            throw TandemError(
                .hubStopped, "\(call) must be called on the hub where its stream or listener was made; this thread has no hub")
        }
        throw TandemError(
            .wrongHub,
            """
            \(call) was called on hub \(current.index) of its group, and the stream or listener was made on another hub, with \
            index \(index): use it in green threads and tasks of that hub (`hub.spawn { }`, `GreenThread(on:)`)
            """)
    }

    /// Returns the hub of the calling thread, where a new stream or listener will belong. Throws `TandemError` `hubStopped` on a thread
    /// without a hub.
    package static func requireCurrent(_ call: StaticString) throws(TandemError) -> Hub {
        guard let hub = current else {
            throw TandemError(
                .hubStopped,
                "\(call) must be called on the thread of a hub; this thread has none: call it in `Hub.run { }` or `hub.spawn { }`"
            )
        }
        return hub
    }
}

/// Throws unless the caller is a blocking call that may park, on a hub's thread.
@available(*, noasync)
package func requireGreenThread(_ call: StaticString, _ file: StaticString, _ line: UInt) throws(TandemError) {
    _ = try currentFiberOnHub(call, file, line)
}

/// Returns the green stack that the caller may park. Throws as `currentFiber`; on an OS thread without a hub, the message says so.
func currentFiberOnHub(_ call: StaticString, _ file: StaticString, _ line: UInt) throws(TandemError) -> Fiber {
    guard tandem_current_hub() != nil || tandem_current_task() != nil else { throw .offHub(call, file, line) }
    return try currentFiber(call, file, line)
}
