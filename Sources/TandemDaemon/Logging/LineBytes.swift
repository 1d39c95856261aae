/// A writer for the parts of a line, into space that was reserved once. A part that does not fit traps.
struct LineBytes: ~Copyable {
    private var next: UnsafeMutablePointer<UInt8>
    private let end: UnsafeMutablePointer<UInt8>

    /// Appends the bytes that `write` writes to an array. `room` is the maximum number of bytes.
    @inline(__always)
    static func append(to line: inout [UInt8], room: Int, _ write: (inout LineBytes) -> Void) {
        line.append(addingCapacity: room) { output in
            output.withUnsafeMutableBufferPointer { buffer, count in
                guard let start = buffer.baseAddress else { return }
                var bytes = LineBytes(next: start + count, end: start + buffer.count)
                write(&bytes)
                count = bytes.next - start
            }
        }
    }

    private init(next: UnsafeMutablePointer<UInt8>, end: UnsafeMutablePointer<UInt8>) {
        self.next = next
        self.end = end
    }

    @inline(__always)
    private mutating func take(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        precondition(count <= end - next, "no room was reserved for this part of a line")
        let start = next
        next += count
        return start
    }

    /// Appends text that is known at compile time.
    @inline(__always)
    mutating func append(_ text: StaticString) {
        take(text.utf8CodeUnitCount).update(from: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    /// Appends bytes as they are.
    @inline(__always)
    mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard let start = bytes.baseAddress else { return }
        take(bytes.count).update(from: start, count: bytes.count)
    }

    /// Appends bytes whose number is known at compile time.
    @inline(__always)
    mutating func append<let count: Int>(_ bytes: InlineArray<count, UInt8>) {
        UnsafeMutableRawPointer(take(count)).storeBytes(of: bytes, as: InlineArray<count, UInt8>.self)
    }

    /// Appends a text as it is.
    mutating func append(text: String) { text.withBytes { append($0) } }

    /// Appends a number in decimal.
    @inline(__always)
    mutating func append(decimal number: Int) {
        switch number {
        case 0..<10: append(decimal: UInt(bitPattern: number), digits: 1)
        case 10..<100: append(decimal: UInt(bitPattern: number), digits: 2)
        case 100..<1_000: append(decimal: UInt(bitPattern: number), digits: 3)
        default: append(longDecimal: number)
        }
    }

    @inline(never)
    private mutating func append(longDecimal number: Int) {
        if number < 0 { append("-") }
        let number = number.magnitude
        var (digits, limit) = (1, UInt(10))
        while number >= limit {
            digits &+= 1
            guard digits < 20 else { break }
            limit &*= 10
        }
        append(decimal: number, digits: digits)
    }

    /// Appends the last `digits` decimal digits of a number.
    @inline(__always)
    mutating func append(decimal number: UInt, digits: Int) {
        let start = take(digits)
        var (rest, index) = (number, digits)
        while index > 0 {
            index &-= 1
            start[index] = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        }
    }

    /// Appends a duration in milliseconds with three decimal places. A negative duration is written as 0.
    mutating func append(milliseconds nanoseconds: Int) {
        let microseconds = UInt(max(0, nanoseconds)) / 1_000
        append(decimal: Int(microseconds / 1_000))
        append(".")
        append(decimal: microseconds % 1_000, digits: 3)
    }

    /// Appends external text as one word. Every byte that is not visible ASCII, and every quote and backslash, is escaped as in
    /// `\x0a`. Text beyond `limit` bytes is replaced by "...".
    mutating func append(escaping text: UnsafeBufferPointer<UInt8>, limit: Int) {
        let count = min(text.count, limit)
        var index = 0
        while true {
            let clean = text.visibleASCII(from: index, to: count)
            append(UnsafeBufferPointer(start: text.baseAddress.map { $0 + index }, count: clean - index))
            guard clean < count else { break }
            append(#"\x"#)
            let digits = take(2)
            digits[0] = hexDigit(text[clean] >> 4)
            digits[1] = hexDigit(text[clean] & 15)
            index = clean + 1
        }
        if text.count > limit { append("...") }
    }
}

extension String {
    /// Calls `body` with the bytes of the text.
    @inline(__always)
    func withBytes(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        // Only bridged strings lack contiguous storage, and Linux has no bridged strings.
        if utf8.withContiguousStorageIfAvailable(body) == nil { Array(utf8).withUnsafeBufferPointer(body) }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Returns the first index in `start..<end` whose byte is not visible ASCII, or is a quote or a backslash; otherwise `end`.
    @inline(__always)
    func visibleASCII(from start: Int, to end: Int) -> Int {
        var index = start
        // Checks eight bytes at a time, because nearly all bytes need no escape. The last eight may overlap the ones before.
        if index &+ 8 <= end {
            while true {
                let hits = UnsafeRawPointer(baseAddress! + index).loadUnaligned(as: UInt64.self).littleEndian.notVisible
                if hits != 0 { return index &+ hits.trailingZeroBitCount &>> 3 }
                if index &+ 8 == end { return end }
                index = Swift.min(index &+ 8, end &- 8)
            }
        }
        while index < end, self[index].isVisible { index &+= 1 }
        return index
    }
}

extension UInt64 {
    /// A mask with the high bit set in each byte that is not visible ASCII, or is a quote or a backslash. Only the lowest set bit
    /// is reliable; the bits above it may be wrong.
    @inline(__always)
    fileprivate var notVisible: UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let (quotes, backslashes, deletes) = (self ^ (ones &* 0x22), self ^ (ones &* 0x5C), self ^ (ones &* 0x7F))
        let borrows = (self &- ones &* 0x21) | (quotes &- ones) | (backslashes &- ones) | (deletes &- ones)
        return (self | borrows) & (ones &* 0x80)
    }
}

extension UInt8 {
    /// Whether the byte is visible ASCII, and neither a quote nor a backslash.
    fileprivate var isVisible: Bool { 0x21...0x7E ~= self && self != UInt8(ascii: "\"") && self != UInt8(ascii: "\\") }
}

/// Returns a value from 0 to 15 as a lower-case hexadecimal digit.
func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10 }
