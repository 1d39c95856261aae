import CTandem
import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif
import Glibc

/// The clients that are Foundation's, by name. The upstream answers after 200 ms.
let foundationClients: [String: @Sendable () throws -> Void] = [
    "data-contents": {
        let data = try Data(contentsOf: Upstream.shared.url)
        try check(data == Data("hello".utf8), "the answer: \(data.count) bytes")
    },
    "string-contents": {
        try check(try String(contentsOf: Upstream.shared.url, encoding: .utf8) == "hello", "the answer")
    },
    "urlsession": {
        let done = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var status = 0
        // More connections to one host than the six of the shared session.
        let configuration = URLSessionConfiguration.ephemeral
        configuration.httpMaximumConnectionsPerHost = 1_000
        let session = URLSession(configuration: configuration)
        session.dataTask(with: Upstream.shared.url) { _, response, _ in
            status = (response as? HTTPURLResponse)?.statusCode ?? 0
            done.signal()
        }.resume()
        done.wait()
        try check(status == 200, "the status \(status)")
    },
    "process": {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sleep")
        process.arguments = ["0.2"]
        try process.run()
        process.waitUntilExit()
        try check(process.terminationStatus == 0, "the status")
    },
    "waitpid": {
        var child = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sleep"), strdup("0.2"), nil]
        defer { arguments.forEach { free($0) } }
        try check(posix_spawn(&child, "/bin/sleep", nil, nil, &arguments, environ) == 0, "posix_spawn")
        var status: CInt = -1
        try check(waitpid(child, &status, 0) == child && status == 0, "waitpid")
    },
    "system": {
        try check(system("sleep 0.2") == 0, "system")
    },
    "flock": {
        let path = "/tmp/tandem-legacy-\(getpid())"
        let file = open(path, O_RDWR | O_CREAT, 0o600)
        defer { close(file) }
        try check(flock(file, LOCK_EX) == 0, "flock")
        usleep(1_000)
        try check(flock(file, LOCK_UN) == 0, "flock")
        unlink(path)
        usleep(200_000)
    },
]

/// An HTTP server that answers each request after 200 ms, with an OS thread per connection.
final class Upstream: Sendable {
    static let shared = Upstream()

    let url: URL

    private init() {
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = bind(listener, address, length)
                listen(listener, 256)
                getsockname(listener, address, &length)
            }
        }
        url = URL(string: "http://127.0.0.1:\(UInt16(bigEndian: address.sin_port))/")!
        Thread.detachNewThread {
            while true {
                let connection = accept(listener, nil, nil)
                Thread.detachNewThread { Upstream.serve(connection) }
            }
        }
    }

    private static func serve(_ connection: CInt) {
        var buffer = [UInt8](repeating: 0, count: 8_192)
        while read(connection, &buffer, buffer.count) > 0 {
            usleep(200_000)
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
            _ = write(connection, answer, answer.utf8.count)
        }
        close(connection)
    }
}
