import Glibc
import Tandem

// @unchecked: a test uses it on one hub's thread only.
/// A pipe with both ends on the current hub.
final class Pipe: @unchecked Sendable {
    private let output: Descriptor
    private let input: Descriptor

    init() throws {
        var ends: [CInt] = [-1, -1]
        precondition(pipe(&ends) == 0, "pipe: errno \(errno)")
        for end in ends { _ = fcntl(end, F_SETFL, O_NONBLOCK) }
        output = try Descriptor(adopting: ends[0])
        input = try Descriptor(adopting: ends[1])
    }

    func write(_ byte: UInt8) throws {
        let put = try withUnsafeBytes(of: byte) { try input.writeAvailable($0) }
        precondition(put == 1)
    }

    @available(*, noasync)
    func read(deadline: Deadline) throws -> Int {
        var byte: UInt8 = 0
        let got = try withUnsafeMutableBytes(of: &byte) { try output.read(into: $0, deadline: deadline) }
        precondition(got == 1)
        return Int(byte)
    }

    func close() {
        output.close()
        input.close()
    }
}
