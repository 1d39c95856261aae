internal import Glibc

/// The bytes that a `ByteStream` has received and no call has returned yet, and the marks of the calls in progress.
///
/// Every stream owns one. A call takes bytes out only when it returns them, so a call that is cancelled or times out leaves them
/// here for the next one. It holds no memory while it is empty and a call waits. Must be used on the hub's thread.
public final class StreamBuffer {
    /// The number of bytes that a call asks the kernel for at least.
    private static let leastRoom = 2_048
    /// The largest amount that a single call asks the kernel for because its caller wants as much.
    private static let mostRoom = 65_536

    /// The largest memory that an empty buffer keeps for the next call.
    private static let mostKept = 16_384

    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var start = 0
    private var end = 0
    /// The number of bytes, from the first, that are known to contain no line feed.
    private var scanned = 0
    private var isReading = false
    private var isWriting = false

    /// Creates an empty buffer.
    public init() {}

    deinit { memory.deallocate() }

    /// The number of bytes that were received and not yet read.
    public var count: Int { end - start }

    /// The size of the memory in bytes.
    var capacity: Int { memory.count }

    // MARK: Calls in progress

    /// Marks the start of a call in one direction.
    ///
    /// - Throws: `TandemError` `descriptorBusy` if another call reads or writes: its line or message would be torn apart.
    package func begin(_ direction: Descriptor.Direction, _ call: StaticString) throws(TandemError) {
        let isBusy = direction == .readable ? isReading : isWriting
        guard !isBusy else {
            throw TandemError(
                .descriptorBusy,
                """
                \(call): another call already \(direction == .readable ? "reads from" : "writes to") this stream: one reader \
                and one writer at a time
                """)
        }
        mark(direction, true)
    }

    /// Marks the end of a call.
    package func end(_ direction: Descriptor.Direction) { mark(direction, false) }

    private func mark(_ direction: Descriptor.Direction, _ isInUse: Bool) {
        if direction == .readable { isReading = isInUse } else { isWriting = isInUse }
    }

    // MARK: Filling

    /// Calls `receive` with free memory and keeps what it receives. Returns its result.
    ///
    /// - Parameter wanted: The number of bytes that the caller still needs; a hint for the size of the memory.
    func fill(wanted: Int, _ receive: (UnsafeMutableRawBufferPointer) throws -> Int?) rethrows -> Int? {
        makeRoom(min(max(wanted, StreamBuffer.leastRoom), StreamBuffer.mostRoom))
        defer { if count == 0 { removeAll() } }
        let got = try receive(UnsafeMutableRawBufferPointer(rebasing: memory[end...]))
        end += got ?? 0
        return got
    }

    private func makeRoom(_ room: Int) {
        guard memory.count - end < room else { return }
        let held = UnsafeRawBufferPointer(rebasing: memory[start..<end])
        if memory.count - count >= room {
            memory.copyMemory(from: held)
        } else {
            let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: max(count * 2, count + room), alignment: 16)
            larger.copyMemory(from: held)
            memory.deallocate()
            memory = larger
        }
        (start, end) = (0, held.count)
    }

    /// Drops all bytes and the memory.
    package func removeAll() {
        memory.deallocate()
        memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        (start, end, scanned) = (0, 0, 0)
    }

    // MARK: Taking

    /// Moves bytes into `destination`, as many as it has room for. Returns their number.
    func take(into destination: UnsafeMutableRawBufferPointer) -> Int {
        let number = min(count, destination.count)
        destination.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[start..<(start + number)]))
        drop(number)
        return number
    }

    /// Removes and returns the first bytes. There must be as many.
    func take(_ number: Int) -> [UInt8] {
        let bytes = Array(memory[start..<(start + number)])
        drop(number)
        return bytes
    }

    /// Removes and returns the next line without its end, LF or CRLF. Returns nil if more bytes are needed to find its end, and
    /// `.some(nil)` at the end of the stream.
    ///
    /// - Parameters:
    ///   - limit: The maximum length of the line in bytes, without its end.
    ///   - hasEnded: Whether no more bytes will come. Then the rest is the last line.
    /// - Throws: `TandemError` `lineTooLong`. The bytes stay in the buffer.
    func takeLine(limit: Int, hasEnded: Bool) throws(TandemError) -> String?? {
        // A line with its end has at most two bytes more than the limit.
        let most = limit > .max - 2 ? .max : limit + 2
        if let length = lengthBeforeLineFeed(within: most) {
            let hasReturn = length > 0 && memory[start + length - 1] == UInt8(ascii: "\r")
            let line = length - (hasReturn ? 1 : 0)
            guard line <= limit else { throw StreamBuffer.tooLong(limit) }
            return takeText(line, dropping: length + 1)
        }
        // One byte above the limit may still be the CR of the line's end.
        let mayEnd = !hasEnded && count - 1 == limit && memory[end - 1] == UInt8(ascii: "\r")
        guard count <= limit || mayEnd else { throw StreamBuffer.tooLong(limit) }
        guard hasEnded else { return nil }
        return .some(count == 0 ? nil : takeText(count, dropping: count))
    }

    /// Returns the number of bytes before the first line feed; nil if the first `most` bytes have none.
    private func lengthBeforeLineFeed(within most: Int) -> Int? {
        let length = min(count, most)
        guard length > scanned else { return nil }
        let first = memory.baseAddress! + start
        guard let found = memchr(first + scanned, CInt(UInt8(ascii: "\n")), length - scanned) else {
            scanned = length
            return nil
        }
        return UnsafeRawPointer(found) - UnsafeRawPointer(first)
    }

    private func takeText(_ length: Int, dropping number: Int) -> String {
        let text = String(decoding: memory[start..<(start + length)], as: UTF8.self)
        drop(number)
        return text
    }

    private func drop(_ number: Int) {
        start += number
        scanned = 0
        guard start == end else { return }
        (start, end) = (0, 0)
        if memory.count > StreamBuffer.mostKept { removeAll() }
    }

    private static func tooLong(_ limit: Int) -> TandemError {
        TandemError(.lineTooLong, "a line of the stream is longer than \(limit) bytes: raise the limit, or close the stream")
    }
}
