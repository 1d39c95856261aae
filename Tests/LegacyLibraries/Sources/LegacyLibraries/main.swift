import Clients
import Glibc
import Tandem
import TandemPatch

// Blocking clients of C libraries, unmodified, on green threads of one hub: LegacyLibraries wait|cancel NAME [COUNT].
//
// wait     runs one client alone, then COUNT together, and fails unless they overlap
// cancel   cancels COUNT clients that wait, fails unless all return an error at once, and runs one more
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

let arguments = CommandLine.arguments.dropFirst()
let clients = (0..<CUnsignedInt.max).lazy.map(client_at).prefix { $0 != nil }.map { LibraryClient($0!.pointee) }
let modes = ["wait": overlap, "cancel": cancel]
guard let mode = modes[arguments.first ?? ""], let client = clients.first(where: { $0.name == arguments.dropFirst().first })
else {
    print("usage: LegacyLibraries wait|cancel NAME [COUNT], NAME one of \(clients.map(\.name).joined(separator: ", "))")
    exit(64)
}
let count = arguments.dropFirst(2).first.flatMap { Int($0) } ?? 100
do {
    try TandemPatch.install()
    prepare_libraries()
    let upstream = try Upstream()
    defer { upstream.stop() }
    try Hub.run { try await mode(client, count) }
} catch {
    print("failed: \(error)")
    exit(1)
}
