internal import Glibc

/// What Tandem itself throws. Cancellation is always Swift's own `CancellationError`.
public struct TandemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong; open to new cases.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String {
            case notOnGreenThread, wrongTask, timedOut, closed, descriptorBusy, systemCall, hubStopped
            case invalidArgument, overloaded, poolStopped, nameNotResolved, threadCancelled
        }
        let value: Value

        /// A blocking call was made where there is no green stack to park: directly in async code, or in an actor's code that
        /// would wait for itself.
        public static let notOnGreenThread = Code(value: .notOnGreenThread)
        /// A blocking call was made by another task than the one that borrowed the stack (inside `Task.immediate`).
        public static let wrongTask = Code(value: .wrongTask)
        /// The deadline passed first.
        public static let timedOut = Code(value: .timedOut)
        /// The descriptor was closed, before the call or while it waited.
        public static let closed = Code(value: .closed)
        /// Somebody else already waits for the same direction of this descriptor.
        public static let descriptorBusy = Code(value: .descriptorBusy)
        /// A system call failed; `errno` says how.
        public static let systemCall = Code(value: .systemCall)
        /// The hub has stopped, or is stopping.
        public static let hubStopped = Code(value: .hubStopped)
        /// An argument is outside what the call takes.
        public static let invalidArgument = Code(value: .invalidArgument)
        /// An `OffloadPool` has as many jobs as it may.
        public static let overloaded = Code(value: .overloaded)
        /// The `OffloadPool` was shut down.
        public static let poolStopped = Code(value: .poolStopped)
        /// The system's resolver knows no address of the host, or could not ask.
        public static let nameNotResolved = Code(value: .nameNotResolved)

        /// The green thread that was waited for was cancelled. `CancellationError` says that the waiter was.
        public static let threadCancelled = Code(value: .threadCancelled)

        /// The code's name.
        public var description: String { value.rawValue }
    }

    /// What went wrong.
    public let code: Code
    /// One sentence: what, where, and the remedy.
    public let message: String
    /// The errno under it, where there is one; else 0.
    public let errno: CInt

    /// Creates an error. `errno` is 0 where no system call failed.
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

    /// Two errors are the same when their code and errno are: messages carry places.
    public static func == (a: TandemError, b: TandemError) -> Bool { a.code == b.code && a.errno == b.errno }

    /// Hashes code and errno.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(errno)
    }
}
