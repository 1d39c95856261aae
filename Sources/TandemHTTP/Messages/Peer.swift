internal import Tandem

/// The client at the other end of a connection, as a request knows it. One per connection; any thread.
final class Peer: Sendable {
    /// Where the client is.
    let address: SocketAddress
    /// Tells whether the client's server stops.
    let draining: Draining
    // @unchecked: asked on the connection's hub only, as `Request.tls` says.
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

    /// What TLS has agreed on; nil without TLS, and when the connection is closed. On the connection's hub.
    var tlsDetails: TLSDetails? { session.tls?.details }
}
