import Glibc

/// Returns the resident bytes of this process.
public func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [UInt8](repeating: 0, count: 256)
    let length = fread(&line, 1, line.count, file)
    let fields = String(decoding: line[..<length], as: UTF8.self).split(separator: " ")
    return Int(fields[1])! * sysconf(CInt(_SC_PAGESIZE))
}
