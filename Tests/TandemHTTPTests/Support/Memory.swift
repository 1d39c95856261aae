import Glibc

/// Bytes that this process has allocated and not freed, as glibc counts them; 0 where another allocator is in place.
func allocatedBytes() -> Int {
    typealias MallocInfo = @convention(c) (CInt, UnsafeMutablePointer<FILE>?) -> CInt
    guard let symbol = dlsym(nil, "malloc_info"), let file = tmpfile() else { return 0 }
    defer { fclose(file) }
    guard unsafeBitCast(symbol, to: MallocInfo.self)(0, file) == 0 else { return 0 }
    rewind(file)
    var text = [UInt8](repeating: 0, count: 1 << 20)
    text.removeLast(text.count - fread(&text, 1, text.count, file))
    // The sums over all arenas stand behind the last of them.
    let sums = String(decoding: text, as: UTF8.self).split(separator: "</heap>").last ?? ""
    func size(_ element: String) -> Int {
        guard let start = sums.firstRange(of: element)?.upperBound,
            let value = sums[start...].firstRange(of: "size=\"")?.upperBound
        else { return 0 }
        return Int(sums[value...].prefix { $0.isNumber }) ?? 0
    }
    let free = size("total type=\"fast\"") + size("total type=\"rest\"")
    return size("system type=\"current\"") + size("total type=\"mmap\"") - free
}
