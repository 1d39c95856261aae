import Foundation

/// A datagram socket like that of a service manager, with a path or an abstract name.
final class NotifySocket: @unchecked Sendable {
    /// The value for `NOTIFY_SOCKET`.
    let address: String
    private let fd: CInt

    struct Silence: Error {}

    init(abstract: Bool = false) throws {
        let name = "tandemd-\(UUID().uuidString).notify"
        address = abstract ? "@" + name : FileManager.default.temporaryDirectory.appending(path: name).path()
        fd = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var bytes = Array(address.utf8)
        if abstract { bytes[0] = 0 }
        var storage = sockaddr_un()
        storage.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &storage.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: storage.sun_path) + bytes.count)
        let failed = withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, length) }
        }
        guard failed == 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno)!) }
    }

    deinit {
        close(fd)
        if !address.hasPrefix("@") { unlink(address) }
    }

    /// Returns the lines of the oldest datagram, or nil if there is no datagram.
    func datagram() -> [String]? {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let got = recv(fd, &buffer, buffer.count, 0)
        guard got >= 0 else { return nil }
        return String(decoding: buffer[..<got], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// Waits for the next datagram. Skips watchdog messages unless `pings` is true.
    func next(pings: Bool = false) async throws -> [String] {
        for _ in 0..<4_000 {
            if let lines = datagram() {
                if pings || lines != ["WATCHDOG=1"] { return lines }
            } else {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
        throw Silence()
    }

    /// Reads all datagrams that have arrived, and returns the number of watchdog messages.
    func countPings() -> Int {
        var count = 0
        while let lines = datagram() { count += lines == ["WATCHDOG=1"] ? 1 : 0 }
        return count
    }
}
