// A key-value store with a protocol of lines, and its clients. The server accepts in async code and serves each connection in
// blocking code; one client blocks, the other awaits. All of it can run on one thread.
//
//     swift run lines serve 7070           serves on 127.0.0.1:7070; try `nc 127.0.0.1 7070`
//     swift run lines set 7070 name Ada    a blocking client
//     swift run lines get 7070 name        an async client
//     swift run lines demo                 a server and both clients in one process
//
// Requests: SET key value, GET key, QUIT. Answers: OK, VALUE value, NONE, BYE, ERROR reason.
import Glibc
import Synchronization
import Tandem

final class Store: Sendable {
    private let values = Mutex<[String: String]>([:])

    func answer(_ line: String) -> String {
        let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        switch (words[0].uppercased(), words.count) {
        case ("SET", 3):
            values.withLock { $0[words[1]] = words[2] }
            return "OK"
        case ("GET", 2): return values.withLock { $0[words[1]] }.map { "VALUE \($0)" } ?? "NONE"
        case ("QUIT", 1): return "BYE"
        default: return "ERROR expected SET key value, GET key or QUIT"
        }
    }
}

/// Serves one connection: blocking code, on a green thread.
func serve(_ stream: TCPStream, _ store: Store) throws {
    defer { stream.close() }
    do {
        while let line = try stream.readLine(limit: 1_024, deadline: .after(.seconds(60))) {
            let answer = store.answer(line)
            try stream.write(answer + "\n", deadline: .after(.seconds(10)))
            if answer == "BYE" { return }
        }
    } catch let error as TandemError where error.code == .lineTooLong {
        try stream.write("ERROR a line has at most 1024 bytes\n", deadline: .after(.seconds(10)))
    } catch let error as TandemError where error.code == .timedOut || error.code == .systemCall {
        // The client is silent, or gone.
    }
}

/// Accepts clients until the listener is closed: async code.
func acceptClients(_ listener: TCPListener, _ store: Store) async throws {
    while true {
        do {
            let stream = try await listener.accept()
            spawn(name: "connection") { try serve(stream, store) }
        } catch let error as TandemError where error.errno == EMFILE || error.errno == ENFILE {
            try await sleep(for: .milliseconds(100))  // no descriptor is free: clients wait in the backlog
        }
    }
}

/// Stores a value: a blocking client.
func set(_ key: String, _ value: String, port: UInt16) throws -> String {
    let stream = try TCPStream.connect(host: "localhost", port: port, deadline: .after(.seconds(5)))
    defer { stream.close() }
    try stream.write("SET \(key) \(value)\n")
    return try stream.readLine() ?? "the server has closed the connection"
}

/// Reads a value: an async client.
func get(_ key: String, port: UInt16) async throws -> String {
    let stream = try await TCPStream.connect(host: "localhost", port: port, deadline: .after(.seconds(5)))
    defer { stream.close() }
    try await stream.write("GET \(key)\nQUIT\n")
    var answers: [String] = []
    while let line = try await stream.readLine() { answers.append(line) }
    return answers.joined(separator: ", ")
}

func runDemo() async throws {
    let listener = try TCPListener(port: 0)
    let port = listener.local.port
    let server = spawn { try await acceptClients(listener, Store()) }
    print("get:", try await get("name", port: port))
    print("set:", try await blocking { try set("name", "Ada Lovelace", port: port) })
    print("get:", try await get("name", port: port))
    listener.close()
    _ = await server.result
}

@main
struct Lines {
    static func main() throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        try Hub.run {
            let port = arguments.dropFirst().first.flatMap { UInt16($0) } ?? 7_070
            switch (arguments.first ?? "", arguments.count) {
            case ("serve", ...2):
                let listener = try TCPListener(port: port)
                print("listening on \(listener.local)")
                fflush(nil)
                try await acceptClients(listener, Store())
            case ("set", 4): print(try await blocking { try set(arguments[2], arguments[3], port: port) })
            case ("get", 3): print(try await get(arguments[2], port: port))
            case ("demo", 1): try await runDemo()
            default: print("usage: lines serve [port] | set port key value | get port key | demo")
            }
        }
    }
}
