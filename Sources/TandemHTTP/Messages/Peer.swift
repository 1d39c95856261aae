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
    /// The sample that the handler of the current request takes, if the request is sampled.
    private let offered = ReferenceSlot<Offered>()
    private final class Offered: Sendable {
        let sample: any AnswerSample
        init(_ sample: any AnswerSample) { self.sample = sample }
    }

    /// - Parameter tls: The TLS under the connection; nil without TLS.
    init(_ address: SocketAddress, draining: Draining, tls: TLSSession? = nil) {
        self.address = address
        self.draining = draining
        session = Session(tls: tls)
    }

    /// Address and port as text, formatted once.
    var description: String { (text.object ?? text.store(Text(address.description))).text }

    /// Puts a sample down for the handler of the current request; nil withdraws it.
    func offer(_ sample: (any AnswerSample)?) { offered.exchange(sample.map(Offered.init)) }

    /// Returns the sample that was put down for the current request, once.
    func takeSample() -> (any AnswerSample)? { offered.exchange(nil)?.sample }

    /// Whether the connection is under TLS.
    var isSecure: Bool { session.tls != nil }

    /// The result of the TLS handshake; nil without TLS and after the connection has closed. On the connection's hub.
    var tlsDetails: TLSDetails? { session.tls?.details }
}
