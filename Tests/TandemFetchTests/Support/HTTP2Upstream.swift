import Glibc
import Tandem
import Testing

/// nghttp2's own server, a process that lives as long as this value. It serves `/small` (5 bytes) and `/big` (64 MiB of zeros),
/// and sends back posted bodies.
final class HTTP2Upstream: Sendable {
    static let isInstalled = access("/usr/bin/nghttpd", X_OK) == 0 || access("/usr/sbin/nghttpd", X_OK) == 0

    let port: Int
    private let process: pid_t
    private let directory: String

    init() async throws {
        port = unusedPort()
        var template = Array("/tmp/tandem-h2-XXXXXX".utf8CString)
        directory = String(cString: mkdtemp(&template))
        for (name, size) in [("small", 5), ("big", 64 * 1024 * 1024)] {
            let fd = open(directory + "/" + name, O_CREAT | O_RDWR, 0o600)
            ftruncate(fd, off_t(size))
            close(fd)
        }
        let words = ["nghttpd", "--echo-upload", "-d", directory, "\(port)", Upstream.certificate, Upstream.certificate]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        var process: pid_t = 0
        let failed = posix_spawnp(&process, "nghttpd", nil, nil, &arguments, environ)
        precondition(failed == 0)
        for argument in arguments { free(argument) }
        self.process = process
        try await until { isListening(on: port) }
    }

    deinit {
        // The server inherits the signal mask of the test process, which may block other signals.
        kill(process, SIGKILL)
        waitpid(process, nil, 0)
        for name in ["small", "big"] { unlink(directory + "/" + name) }
        rmdir(directory)
    }

    func url(_ path: String) -> String { "https://127.0.0.1:\(port)\(path)" }

}

/// Whether a server on loopback accepts connections at this port.
func isListening(on port: Int) -> Bool {
    let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
    defer { close(fd) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return withUnsafeBytes(of: &address) {
        connect(fd, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
    }
}
