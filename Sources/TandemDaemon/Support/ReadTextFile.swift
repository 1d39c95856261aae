internal import Glibc

/// An error while reading a file.
struct FileReadingError: Error {
    let message: String

    init(_ message: String) { self.message = message }

    init(_ call: String, errno: CInt) { message = "\(call): \(String(cString: strerror(errno)))" }
}

/// Returns the contents of a UTF-8 file of at most `limit` bytes. Refuses what is not a regular file: a FIFO could block the
/// caller.
func readTextFile(_ path: String, upTo limit: Int) throws(FileReadingError) -> String {
    let fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard fd >= 0 else { throw FileReadingError("cannot open it", errno: errno) }
    defer { close(fd) }
    guard isRegularFile({ fstat(fd, &$0) }) else { throw FileReadingError("not a regular file") }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 16_384)
    while true {
        let count = read(fd, &piece, piece.count)
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw FileReadingError("cannot read it", errno: errno) }
        guard count > 0 else { break }
        bytes += piece[..<count]
        guard bytes.count <= limit else { throw FileReadingError("longer than \(limit) bytes") }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw FileReadingError("not UTF-8 text") }
    return text
}

/// Returns whether this process may read the file at `path`, and it is a regular file.
func isReadableFile(_ path: String) -> Bool { access(path, R_OK) == 0 && isRegularFile { stat(path, &$0) } }

private func isRegularFile(_ call: (inout stat) -> CInt) -> Bool {
    var status = stat()
    return call(&status) == 0 && status.st_mode & S_IFMT == S_IFREG
}
