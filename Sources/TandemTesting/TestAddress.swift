internal import Glibc
internal import Tandem
internal import TandemHTTP

/// Where a test's server listens.
enum TestAddress: Sendable {
    case tcp

    init(_ setup: TestSetup) { self = .tcp }

    /// The configuration, listening here.
    func listening(_ configuration: HTTPServerConfiguration) -> HTTPServerConfiguration {
        var configuration = configuration
        configuration.host = "127.0.0.1"
        configuration.port = 0
        return configuration
    }

    /// What a request's Host says.
    func authority(port: Int) -> String { "127.0.0.1:\(port)" }

    /// A connection to it, on the current hub.
    func connect(port: Int) async throws -> Descriptor {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        return try await connect(AF_INET, address)
    }

    private func connect<Address: BitwiseCopyable>(_ family: CInt, _ address: Address) async throws -> Descriptor {
        let fd = socket(family, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw failure("socket", errno) }
        let failed = withUnsafeBytes(of: address) { bytes in
            Glibc.connect(fd, bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
        guard failed == 0 || errno == EINPROGRESS else {
            let error = errno
            close(fd)
            throw failure("connect", error)
        }
        let descriptor: Descriptor
        do { descriptor = try Descriptor(adopting: fd) } catch {
            close(fd)
            throw error
        }
        do {
            if failed != 0 { try await descriptor.wait(for: .writable) }
        } catch {
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
