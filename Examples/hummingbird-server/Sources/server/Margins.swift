import NIOCore
import NIOPosix

/// The margins that the shop adds to rates: the partner's too, by a newer client, which is async and built on SwiftNIO.
struct Margins: Sendable {
    let port: UInt16

    /// Returns the margin of a currency.
    func margin(of currency: String) async throws -> Int {
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: Int(port))
        let connection = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(to: address) { channel in
            channel.eventLoop.makeCompletedFuture {
                try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
            }
        }
        let answer = try await connection.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: "MARGIN \(currency)\n"))
            var answer = ""
            for try await part in inbound {
                answer += String(buffer: part)
                if answer.hasSuffix("\n") { break }
            }
            return answer
        }
        guard answer.hasPrefix("OK "), let margin = Int(answer.dropFirst(3).dropLast()) else { throw RateError.unknown(currency) }
        return margin
    }
}
