internal import Tandem

/// The settings of one connection of a test's client.
public struct TestConnectionOptions: Sendable {
    /// The longest time that one wait for the server may take. On a hub with a virtual clock waits have no limit.
    public var timeout: Duration
    /// The size of the socket's receive buffer in bytes; nil for the kernel's default. A small one shows early what a server does
    /// when its client does not read.
    public var receiveBuffer: Int?
    /// The size of the socket's send buffer in bytes; nil for the kernel's default.
    public var sendBuffer: Int?
    /// The numeric address that a TCP connection comes from; nil lets the kernel choose. All of 127.0.0.0/8 is local on Linux.
    public var source: String?
    /// The client's end of TLS; nil for a connection without TLS.
    public var tls: TestTLS?

    /// Creates settings; the defaults are those of `TestClient`.
    public init(
        timeout: Duration = .seconds(30), receiveBuffer: Int? = nil, sendBuffer: Int? = nil, source: String? = nil,
        tls: TestTLS? = nil
    ) {
        self.timeout = timeout
        self.receiveBuffer = receiveBuffer
        self.sendBuffer = sendBuffer
        self.source = source
        self.tls = tls
    }

    /// The deadline of a wait that begins now, on the current hub. On a virtual clock a timeout would mean nothing: it would
    /// come as soon as everything else waits.
    func deadline() -> Deadline { Hub.current?.configuration.clock == .virtual ? .never : .after(timeout) }
}
