/// A writer that appends bytes to memory whose size was checked once for all of them.
@safe struct ByteWriter: ~Copyable {
    private let start: UnsafeMutableRawPointer
    private var next: UnsafeMutableRawPointer
    private let end: UnsafeMutableRawPointer

    @unsafe fileprivate init(_ memory: Slice<UnsafeMutableBufferPointer<UInt8>>) {
        let memory = unsafe UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: memory))
        unsafe start = memory.baseAddress!
        unsafe next = start
        unsafe end = start + memory.count
    }

    fileprivate var count: Int { unsafe next - start }

    /// Returns the address for the next `count` bytes, and advances past them.
    @inline(__always)
    private mutating func take(_ count: Int) -> UnsafeMutableRawPointer {
        assert(unsafe count <= end - next, "more bytes than were reserved")
        defer { unsafe next += count }
        return unsafe next
    }

    /// Writes bytes known at compile time.
    @inline(__always)
    mutating func put(_ text: StaticString) {
        unsafe take(text.utf8CodeUnitCount).copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
    }

    @inline(__always)
    mutating func put(_ byte: UInt8) {
        unsafe take(1).storeBytes(of: byte, as: UInt8.self)
    }

    @inline(__always)
    mutating func put(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { source in
            if let from = source.baseAddress { unsafe take(source.count).copyMemory(from: from, byteCount: source.count) }
        }
    }

    /// Writes a non-negative number in decimal, as at most ``ByteWriter/mostDigits`` digits.
    @inline(__always)
    mutating func put(decimal number: Int) {
        var count = 1
        var rest = UInt(number)
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        let digits = unsafe take(count)
        rest = UInt(number)
        for place in stride(from: count &- 1, through: 0, by: -1) {
            let digit = UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10)
            unsafe digits.storeBytes(of: digit, toByteOffset: place, as: UInt8.self)
            rest /= 10
        }
    }

    /// Writes a non-negative number in lowercase hexadecimal, as at most 16 digits.
    @inline(__always)
    mutating func put(hexadecimal number: Int) {
        let count = max(1, (Int.bitWidth - number.leadingZeroBitCount + 3) / 4)
        let digits = unsafe take(count)
        for place in 0..<count {
            let digit = UInt8(truncatingIfNeeded: number &>> (4 &* (count &- 1 &- place))) & 0xF
            let text = digit < 10 ? UInt8(ascii: "0") &+ digit : UInt8(ascii: "a") &+ digit &- 10
            unsafe digits.storeBytes(of: text, toByteOffset: place, as: UInt8.self)
        }
    }

    /// The number of decimal digits in `Int.max`.
    static var mostDigits: Int { 19 }
}

extension OutputSpan<UInt8> {
    /// Appends the bytes that `body` writes, at most `most`. If `body` throws, nothing is appended.
    @inline(__always)
    mutating func write<R, E: Error>(atMost most: Int, _ body: (inout ByteWriter) throws(E) -> R) throws(E) -> R {
        precondition(most <= freeCapacity, "the caller has reserved too little room")
        return try unsafe withUnsafeMutableBufferPointer { buffer, initialized throws(E) in
            // The writer stays within the free capacity, because no body writes more than `most` bytes. Debug builds check that.
            var writer = unsafe ByteWriter(buffer[initialized...])
            let result = try body(&writer)
            initialized += writer.count
            return result
        }
    }
}

extension [UInt8] {
    /// Appends all bytes of a span.
    mutating func append(_ bytes: Span<UInt8>) {
        append(addingCapacity: bytes.count) { output in
            output.write(atMost: bytes.count) { $0.put(bytes) }
        }
    }
}
