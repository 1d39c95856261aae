import Glibc
import Testing

/// Runs a command with `sh`. Returns its exit code and its standard output.
func shell(_ command: String) throws -> (status: Int32, output: String) {
    let pipe = try #require(popen(command, "r"))
    var bytes: [UInt8] = []
    while case let byte = getc_unlocked(pipe), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
    return ((pclose(pipe) >> 8) & 0xff, String(decoding: bytes, as: UTF8.self))
}
