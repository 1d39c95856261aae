internal import Glibc
internal import Tandem
internal import TandemHTTP

/// Where a test's server listens.
enum TestAddress: Sendable {
    case tcp
    /// A file that exists as long as the server listens.
    case unix(path: String)

    init(_ setup: TestSetup) {
        switch setup {
        case .live: self = .tcp
        case .inProcess:
            let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
            self = .unix(path: "\(directory)/tandem-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock")
        }
    }

    /// The configuration, listening here.
    func listening(_ configuration: HTTPServerConfiguration) -> HTTPServerConfiguration {
        var configuration = configuration
        switch self {
        case .tcp: configuration.addresses = [.tcp("127.0.0.1", port: 0)]
        // Nobody else's business.
        case .unix(let path): configuration.addresses = [.unix(path, mode: 0o600)]
        }
        return configuration
    }

    /// A connection to it, on the current hub. Throws `TandemError`.
    func connect(port: Int) async throws -> Descriptor {
        switch self {
        case .tcp:
            try await connect(to: .ip(SocketEndpoint(address: .v4(0x7F00_0001), port: UInt16(port))))
        case .unix(let path):
            // The server listens there, so the path is not too long.
            try await connect(to: SocketAddress(unixPath: path)!)
        }
    }

    private func connect(to address: SocketAddress) async throws -> Descriptor {
        let fd = socket(address.family, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw failure("socket", errno) }
        while true {
            let failed = address.withSockaddr { Glibc.connect(fd, $0, $1) }
            if failed == 0 || errno == EINPROGRESS { break }
            let error = errno
            do {
                // A unix socket's backlog is full: nothing but time tells when it is not.
                guard error == EAGAIN else { throw failure("connect", error) }
                try await sleep(for: .milliseconds(1))
            } catch {
                close(fd)
                throw error
            }
        }
        let descriptor: Descriptor
        do { descriptor = try Descriptor(adopting: fd) } catch {
            close(fd)
            throw error
        }
        do { try await descriptor.wait(for: .writable) } catch {
            descriptor.close()
            throw error
        }
        return descriptor
    }

    private func failure(_ call: String, _ error: CInt) -> TandemError {
        TandemError(
            .systemCall, "the test's client cannot connect: \(call): \(String(cString: strerror(error)))", errno: error)
    }
}
