internal import Tandem
internal import Testing

// @unchecked: used on one hub.
/// A network between a client and a server, which a test can make hostile.
final class Relay: @unchecked Sendable {
    /// The end to which the client connects.
    let clientEnd: TCPStream
    let serverEnd: TCPStream
    /// Maps bytes from the server to the pieces that are sent to the client.
    var toClient: ([UInt8]) -> [[UInt8]] = { [$0] }
    /// The number of bytes that were forwarded to the client.
    private(set) var forwarded = 0
    private var pumps: [Task<Void, Never>] = []

    /// Creates a relay between two new connections. Returns it with the client's and the server's own streams.
    static func make() async throws -> (Relay, TCPStream, TCPStream) {
        let (client, clientEnd) = try await tcpPair()
        let (serverEnd, server) = try await tcpPair()
        let relay = Relay(clientEnd, serverEnd)
        return (relay, client, server)
    }

    private init(_ clientEnd: TCPStream, _ serverEnd: TCPStream) {
        (self.clientEnd, self.serverEnd) = (clientEnd, serverEnd)
        pumps = [
            Task(executorPreference: clientEnd.hub) {
                while let bytes = try? await clientEnd.read(atMost: 65_536) {
                    guard (try? await serverEnd.write(bytes)) != nil else { break }
                }
                try? await serverEnd.finishWriting()
            },
            Task(executorPreference: clientEnd.hub) { [self] in
                while let bytes = try? await serverEnd.read(atMost: 65_536) {
                    for piece in toClient(bytes) {
                        guard (try? await clientEnd.write(piece)) != nil else { return }
                        forwarded += piece.count
                    }
                }
                try? await clientEnd.finishWriting()
            },
        ]
    }

    /// Ends both connections.
    func cut() async {
        clientEnd.close()
        serverEnd.close()
        for pump in pumps { await pump.value }
    }
}
