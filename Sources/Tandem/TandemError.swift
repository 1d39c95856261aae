internal import Glibc

/// The errors that Tandem itself throws. Cancellation is always reported with Swift's own `CancellationError`.
public struct TandemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error. Later versions may add codes.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String {
            case notOnGreenThread, wrongTask, timedOut, closed, descriptorBusy, systemCall, hubStopped
            case invalidArgument, overloaded, poolStopped, nameNotResolved, threadCancelled, cannotListen, executorTaken
            case cannotConnect, wrongHub, endedEarly, lineTooLong
        }
        let value: Value

        /// A blocking call was made where no green thread can be parked: directly in async code, or in an actor's code outside any
        /// task, where blocking the thread would keep the actor's closure from running.
        public static let notOnGreenThread = Code(value: .notOnGreenThread)
        /// The call was made by a task that must not wait here: by a task that runs on top of another task's green stack
        /// (`Task.immediate`), or by a member of a `GreenPool` in `waitAll` of the same pool.
        public static let wrongTask = Code(value: .wrongTask)
        /// The deadline passed, or the time-out expired, before the call was done.
        public static let timedOut = Code(value: .timedOut)
        /// The descriptor or queue is closed, or was closed while the call waited.
        public static let closed = Code(value: .closed)
        /// Another caller already waits for the same direction of this descriptor, or the number is already registered.
        public static let descriptorBusy = Code(value: .descriptorBusy)
        /// A system call failed; `errno` has the reason.
        public static let systemCall = Code(value: .systemCall)
        /// The hub has stopped or is stopping, or the calling thread has no hub and the call needs one.
        public static let hubStopped = Code(value: .hubStopped)
        /// The call does not accept an argument or a setting.
        public static let invalidArgument = Code(value: .invalidArgument)
        /// An `OffloadPool` is full: all threads are busy, and the queue has reached its limit.
        public static let overloaded = Code(value: .overloaded)
        /// The `OffloadPool` was shut down.
        public static let poolStopped = Code(value: .poolStopped)
        /// The system's resolver has no address for the host, or could not be queried.
        public static let nameNotResolved = Code(value: .nameNotResolved)

        /// The green thread that the caller waited for was cancelled. `CancellationError` means that the waiting task was
        /// cancelled.
        public static let threadCancelled = Code(value: .threadCancelled)

        /// A server cannot listen on an address; `errno` says why, if a system call failed.
        public static let cannotListen = Code(value: .cannotListen)

        /// No address of the host, or no unix socket, accepts the connection. The message has the reason of each address, and `errno`
        /// that of the last one.
        public static let cannotConnect = Code(value: .cannotConnect)

        /// A stream or listener was used on another hub than the one on which it was made.
        public static let wrongHub = Code(value: .wrongHub)

        /// The peer ended the stream before the bytes that the call needs had arrived.
        public static let endedEarly = Code(value: .endedEarly)

        /// A line of a stream is longer than the limit of the call.
        public static let lineTooLong = Code(value: .lineTooLong)

        /// Other hubs have taken over Swift's global executor.
        public static let executorTaken = Code(value: .executorTaken)

        /// The code's name.
        public var description: String { value.rawValue }
    }

    /// The kind of error.
    public let code: Code
    /// A description of the error, its place and the remedy.
    public let message: String
    /// The errno value that goes with the error; 0 if there is none.
    public let errno: CInt

    /// Creates an error. `errno` is 0 if no system call failed.
    public init(_ code: Code, _ message: String, errno: CInt = 0) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    static func systemCall(_ name: StaticString, _ errno: CInt) -> TandemError {
        TandemError(.systemCall, "\(name): \(String(cString: strerror(errno))) (errno \(errno))", errno: errno)
    }

    static func alwaysReady(_ fd: CInt) -> TandemError {
        TandemError(
            .invalidArgument,
            """
            file descriptor \(fd) is a regular file or directory, which is always ready and may still make the hub wait for \
            the disk: read it inside `offload { }`
            """, errno: EPERM)
    }

    static func misuse(_ call: StaticString, _ file: StaticString, _ line: UInt) -> TandemError {
        TandemError(
            .notOnGreenThread,
            """
            \(file):\(line): \(call) needs a green thread to park, and was called directly in async code. \
            Add `await` to use the async form, or wrap the blocking code in `await blocking { }`. (A synchronous test of Swift \
            Testing runs in async code, too.)
            """)
    }

    static func offHub(_ call: StaticString, _ file: StaticString, _ line: UInt) -> TandemError {
        TandemError(
            .notOnGreenThread,
            """
            \(file):\(line): \(call) needs a green thread to park, and was called on an OS thread that runs no hub. Call it in a \
            `GreenThread { }`, or in `blocking { }` inside `Hub.run { }`.
            """)
    }

    static func blocksItsActor(_ call: StaticString, _ file: StaticString, _ line: UInt) -> TandemError {
        TandemError(
            .notOnGreenThread,
            """
            \(file):\(line): \(call) was called in an actor's code, outside any task: its closure belongs to the actor too, and \
            could not run while this thread blocks. Call it in a `nonisolated` function, or use the async form in a task.
            """)
    }

    static func wrongTask(_ call: StaticString, _ file: StaticString, _ line: UInt) -> TandemError {
        TandemError(
            .wrongTask,
            """
            \(file):\(line): \(call) was called by a task that only runs on top of a green thread (Task.immediate). \
            Add `await` to use the async form, or wrap the blocking code in `await blocking { }`.
            """)
    }

    /// The message.
    public var description: String { message }

    /// Compares code and errno. Messages are ignored, because they contain file names, line numbers and descriptors.
    public static func == (a: TandemError, b: TandemError) -> Bool { a.code == b.code && a.errno == b.errno }

    /// Hashes code and errno.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(errno)
    }
}
