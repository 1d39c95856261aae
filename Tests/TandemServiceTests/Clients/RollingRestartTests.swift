import Foundation
import Testing

@testable import TandemService

extension ClientTests {
    /// Two instances behind nginx, restarted one after the other.
    struct RollingRestart {
        @Test func `no request is lost`() async throws {
            var instances = [try Daemon("serve", "--port", "0"), try Daemon("serve", "--port", "0")]
            var ports: [Int] = []
            for instance in instances { ports.append(try await instance.port()) }
            let nginx = try await Nginx(before: ports)
            let clients = try pythonProgram("rolling_client.py", nginx.socket)
            try await clients.awaitOutput("under load")
            for index in instances.indices {
                instances[index].send(SIGTERM)
                let status = try await instances[index].wait()
                #expect(status == 0)
                instances[index] = try Daemon("serve", "--port", "\(ports[index])")
                // The next one goes when this one has been asked.
                while !instances[index].output.contains("/sleep?ms=20 200 ") { try await Task.sleep(for: .milliseconds(5)) }
            }
            clients.send(SIGTERM)
            let outcome = try await clients.wait()
            #expect(outcome.lines == ["under load", "lost 0"], "\(outcome.errors)\(nginx.errors)")
            try await nginx.stop()
            for instance in instances {
                instance.send(SIGTERM)
                #expect(try await instance.wait() == 0)
            }
        }
    }
}
