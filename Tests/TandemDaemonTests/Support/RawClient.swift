import Foundation
import Tandem

/// A client that sends exactly the given text. Must be used on a hub.
final class RawClient {
    private let descriptor: Descriptor
    private(set) var received = ""

    /// Connects to a port of the loopback address.
    init(port: Int) async throws {
        let fd = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        withUnsafePointer(to: &address) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        descriptor = try Descriptor(adopting: fd)
    }

    func send(_ text: String) async throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            if let put = try rest.withUnsafeBytes({ try descriptor.writeAvailable($0) }) {
                rest = rest.dropFirst(put)
            } else {
                try await descriptor.wait(for: .writable)
            }
        }
    }

    /// Reads until the received text contains this text, or the server closes.
    func receive(until text: String) async throws {
        while !received.contains(text) {
            var buffer = [UInt8](repeating: 0, count: 4_096)
            guard let got = try buffer.withUnsafeMutableBytes({ try descriptor.readAvailable(into: $0) }) else {
                try await descriptor.wait(for: .readable)
                continue
            }
            guard got > 0 else { return }
            received += String(decoding: buffer[..<got], as: UTF8.self)
        }
    }

    func close() { descriptor.close() }
}
