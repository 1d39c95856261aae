internal import Tandem
internal import TandemTLS

/// The client at the other end of a connection. One per connection, shared by its requests; used from any thread.
final class Peer: Sendable {
    /// The client's address.
    let address: SocketAddress
    /// Whether the server drains, and a way to wait for that.
    let draining: Draining
    // @unchecked: read on the connection's hub only, as `Request.tls` requires.
    private struct Session: @unchecked Sendable {
        let tls: TLSSession?
    }
    private let session: Session
    private final class Text: Sendable {
        let text: String
        init(_ text: String) { self.text = text }
    }
    private let text = OnceReference<Text>()

    /// - Parameter tls: The TLS under the connection; nil without TLS.
    init(_ address: SocketAddress, draining: Draining, tls: TLSSession? = nil) {
        self.address = address
        self.draining = draining
        session = Session(tls: tls)
    }

    /// Address and port as text, formatted once.
    var description: String { (text.object ?? text.store(Text(address.description))).text }

    /// Whether the connection is under TLS.
    var isSecure: Bool { session.tls != nil }

    /// The result of the TLS handshake; nil without TLS and after the connection has closed. On the connection's hub.
    var tlsDetails: TLSDetails? { session.tls?.details }
}
