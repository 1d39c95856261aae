internal import Glibc
internal import TandemHTTP

/// The way in which a test's client reaches the code under test.
public enum TestSetup: Sendable, CaseIterable {
    /// No server and no sockets: a request goes to the router's middleware and handlers, and to the server's own answers (404,
    /// 405, OPTIONS). The fastest setup. There are no connections, timeouts, access log, request ids or spans, and
    /// `HTTPServerConfiguration.maxBodyBytes` is the only limit.
    case inProcess
    /// A server on a unix socket, which only this process's user can connect to.
    case unix
    /// A server on a TCP port of 127.0.0.1 that the kernel chooses. Other programs can connect to it: `TestClient.port`.
    case live
    /// As `live`, with TLS: the server has the certificate `TestCertificate.localhost`, and the client verifies it. With
    /// `HTTPServerConfiguration.tls`, all its other settings apply.
    case tls
}

/// The address of a test's server.
enum TestListener: Sendable {
    case tcp(tls: TemporaryDirectory?)
    /// The file exists as long as the server listens.
    case unix(path: String)

    init(_ setup: TestSetup) {
        switch setup {
        case .live: self = .tcp(tls: nil)
        case .tls: self = .tcp(tls: TemporaryDirectory())
        case .inProcess, .unix:
            let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
            self = .unix(path: "\(directory)/tandem-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock")
        }
    }

    /// Returns the configuration with this address.
    func listening(_ configuration: HTTPServerConfiguration) -> HTTPServerConfiguration {
        var configuration = configuration
        switch self {
        case .tcp(let directory):
            configuration.addresses = [.tcp("127.0.0.1", port: 0, tls: directory != nil)]
            guard let directory else { break }
            var tls = configuration.tls ?? TLSConfiguration()
            tls.certificates = TLSConfiguration.with([.localhost], in: directory).certificates
            configuration.tls = tls
        case .unix(let path): configuration.addresses = [.unix(path, mode: 0o600)]
        }
        return configuration
    }

    /// Returns the client's address of a server that listens on `port`.
    func address(port: Int) -> TestAddress {
        switch self {
        case .tcp: .tcp(port: port)
        case .unix(let path): .unix(path)
        }
    }

    /// The settings of the client's connections.
    var options: TestConnectionOptions {
        if case .tcp(.some) = self { TestConnectionOptions(tls: TestTLS(trusting: .authority)) } else { TestConnectionOptions() }
    }
}
