import Clients
import Glibc
import Tandem
import TandemPatch

// Blocking clients of C libraries, unmodified, on green threads of one hub.
//
// wait NAME [COUNT]     runs one client alone, then COUNT together, and fails unless they overlap
// cancel NAME [COUNT]   cancels COUNT clients that wait, fails unless all return an error at once, and runs one more
// run MILLISECONDS PROGRAM [ARGUMENT]... [-- PROGRAM [ARGUMENT]...]...
//                       runs programs in C at once, each built as a shared object PROGRAM.so; fails unless each returns 0, and the hub
//                       is never held for this time
//
// The addresses of the servers are in the environment: scripts/lib/servers.sh sets them.

/// A client in C.
struct LibraryClient: Sendable {
    let name: String
    let wait: Duration
    private let function: @Sendable (CInt) -> UnsafeMutablePointer<CChar>?

    init(_ client: client) {
        name = String(cString: client.name)
        wait = .milliseconds(client.milliseconds)
        nonisolated(unsafe) let run = client.run!
        function = { run($0) }
    }

    /// Runs the client, whose server answers after `wait`. Throws the error that the client reports.
    func run(_ wait: Duration) throws {
        guard let error = function(CInt(wait / .milliseconds(1))) else { return }
        defer { free(error) }
        throw Failure(message: String(cString: error))
    }
}

/// The clients start one after the other on a hub, so if as few as ten wait one after the other this fails.
func overlap(_ client: LibraryClient, count: Int) async throws {
    let (_, together) = try await measure(client.name, count: count) { try client.run(client.wait) }
    try check(together < client.wait * 10, "\(client.name): the clients did not overlap")
}

func cancel(_ client: LibraryClient, count: Int) async throws {
    let clock = ContinuousClock()
    let threads = (0..<count).map { _ in spawn { try client.run(.seconds(10)) } }
    // Long enough for all to connect and to wait for the answer.
    try await sleep(for: .milliseconds(500))
    try check(!threads.contains { $0.isFinished }, "\(client.name): a client did not wait")
    var messages: [String: Int] = [:]
    let time = try await clock.measure {
        for thread in threads { thread.cancel() }
        for thread in threads {
            do {
                _ = try await thread.wait()
                throw Failure(message: "\(client.name): a cancelled client got its answer")
            } catch let failure as Failure {
                messages[failure.message.split(separator: "\n").first.map(String.init) ?? "", default: 0] += 1
            }
        }
    }
    let errors = messages.map { "\($1) times '\($0)'" }.joined(separator: ", ")
    print("\(client.name): \(count) cancelled, ended after \(time): \(errors)")
    try check(time < .seconds(1), "\(client.name): the cancelled clients went on")
    _ = try await spawn { try client.run(client.wait) }.wait()
}

/// Runs `body` on a hub with libc patched.
func runOnHub(_ body: @escaping @Sendable () async throws -> Void) throws {
    try TandemPatch.install()
    prepare_libraries()
    let upstream = try Upstream()
    defer { upstream.stop() }
    try Hub.run(watched) { try await body() }
}

let arguments = Array(CommandLine.arguments.dropFirst())
let clients = (0..<CUnsignedInt.max).lazy.map(client_at).prefix { $0 != nil }.map { LibraryClient($0!.pointee) }
let modes = ["wait": overlap, "cancel": cancel]
do {
    if arguments.count >= 3, arguments[0] == "run", let limit = Int(arguments[1]) {
        let programs = try arguments.dropFirst(2).split(separator: "--").map { try Program(Array($0)) }
        try runOnHub { try await runTogether(programs, limit: .milliseconds(limit)) }
    } else if arguments.count >= 2, let mode = modes[arguments[0]], let client = clients.first(where: { $0.name == arguments[1] })
    {
        let count = arguments.dropFirst(2).first.flatMap { Int($0) } ?? 100
        try runOnHub { try await mode(client, count) }
    } else {
        print("usage: LegacyLibraries wait|cancel NAME [COUNT], NAME one of \(clients.map(\.name).joined(separator: ", "))")
        exit(64)
    }
} catch {
    print("failed: \(error)")
    exit(1)
}
