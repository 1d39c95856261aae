import Clients
import Glibc
import Synchronization
import Tandem

/// A program in C, built as a shared object: its `main` is called as a function.
struct Program: Sendable {
    private let arguments: [String]
    private let main: @convention(c) (CInt, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt

    /// Loads the program PROGRAM.so. The first of the arguments is PROGRAM.
    init(_ arguments: [String]) throws {
        self.arguments = arguments
        guard let library = dlopen(arguments[0] + ".so", RTLD_NOW | RTLD_LOCAL), let address = dlsym(library, "main") else {
            throw Failure(message: String(cString: dlerror()))
        }
        main = unsafeBitCast(address, to: type(of: main))
        // Tests/LegacyLibraries/green_pthread.h: the program starts green threads in place of those of pthreads.
        guard let start = dlsym(library, "green_pthread_start"), let join = dlsym(library, "green_pthread_join") else { return }
        start.storeBytes(of: startGreen, as: StartFunction.self)
        join.storeBytes(of: joinGreen, as: JoinFunction.self)
    }

    /// Calls `main`, and returns its result.
    func run() -> CInt {
        restart_getopt()
        var strings = arguments.map { strdup($0) } + [nil]
        return main(CInt(arguments.count), &strings)
    }
}

private typealias Body = @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer?
private typealias StartFunction = @convention(c) (UnsafeMutablePointer<pthread_t>, Body, UnsafeMutableRawPointer?) -> CInt
private typealias JoinFunction = @convention(c) (pthread_t, UnsafeMutablePointer<UnsafeMutableRawPointer?>?) -> CInt

private let started = Mutex<[pthread_t: GreenThread<UInt>]>([:])

private let startGreen: StartFunction = { number, body, argument in
    nonisolated(unsafe) let argument = argument
    let thread = spawn { UInt(bitPattern: body(argument)) }
    number.pointee = started.withLock { started in
        let number = pthread_t(started.count + 1)
        started[number] = thread
        return number
    }
    return 0
}

private let joinGreen: JoinFunction = { number, result in
    guard let thread = started.withLock({ $0[number] }), let value = try? thread.wait() else { return ESRCH }
    result?.pointee = UnsafeMutableRawPointer(bitPattern: value)
    return 0
}

/// Runs programs at once, each on a green thread. Fails unless each returns 0, and no hold of the hub is longer than `limit`.
func runTogether(_ programs: [Program], limit: Duration) async throws {
    let clock = ContinuousClock()
    var time = Duration.zero
    let hold = try await longestHold {
        time = try await clock.measure {
            let threads = programs.map { program in spawn { program.run() } }
            for thread in threads {
                let status = try await thread.wait()
                try check(status == 0, "a program returned \(status)")
            }
        }
    }
    fflush(nil)
    print("\(programs.count) programs returned 0 after \(time), longest hold \(hold)")
    try check(hold < limit, "the hub was held for longer than \(limit)")
}
