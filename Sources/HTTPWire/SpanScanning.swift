extension RawSpan {
    /// Calls `body` with the same memory as a span of bytes. Every bit pattern is a valid `UInt8`.
    func withBytes<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        try unsafe withUnsafeBytes { raw throws(E) in
            try unsafe body(raw.bindMemory(to: UInt8.self).span)
        }
    }
}

extension Span<UInt8> {
    /// Returns the first index in `start..<end` whose byte is a control character (below 0x20, or DEL), or `end` if there is
    /// none.
    ///
    /// The loop tests eight bytes per step, because field values make up most of a head and rarely hold control characters.
    @inline(__always)
    func firstControl(from start: Int, to end: Int) -> Int {
        precondition(start >= 0 && end <= count)
        let ones: UInt64 = 0x0101_0101_0101_0101
        var index = start
        while index &+ 8 <= end {
            // The loop condition and the precondition keep all eight bytes inside the span.
            let loaded = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
            let word = UInt64(littleEndian: loaded)
            let deleted = word ^ (ones &* 0x7F)
            // The high bit of each byte that is below 0x20 or DEL is set. A borrow can set a wrong bit too, but only above a
            // correct one, and only the lowest bit is used.
            let hits = (((word &- ones &* 0x20) & ~word) | ((deleted &- ones) & ~deleted)) & (ones &* 0x80)
            if hits != 0 { return index &+ hits.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < end, self[index] >= 0x20, self[index] != 0x7F { index &+= 1 }
        return index
    }

    /// Whether all bytes are allowed in a field value: no control character except tab.
    var isFieldContent: Bool {
        var index = 0
        while true {
            index = firstControl(from: index, to: count)
            guard index < count else { return true }
            guard self[index] == .tab else { return false }
            index += 1
        }
    }

    /// The bytes as text. Invalid UTF-8 is replaced by U+FFFD.
    var text: String {
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// Returns whether the bytes equal `lowercase` when the case of ASCII letters is ignored.
    func equalsIgnoringCase(_ lowercase: Span<UInt8>) -> Bool {
        guard count == lowercase.count else { return false }
        for index in indices where self[index].lowercased != lowercase[index] { return false }
        return true
    }

    /// Returns whether the bytes equal a lowercase literal when the case of ASCII letters is ignored. The bytes of a literal
    /// are never freed.
    func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        let bytes = unsafe UnsafeBufferPointer(start: lowercase.utf8Start, count: lowercase.utf8CodeUnitCount)
        return unsafe equalsIgnoringCase(bytes.span)
    }

    /// Returns `range` without leading and trailing blanks.
    @inline(__always)
    func trimmingBlanks(_ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, self[start].isBlank { start &+= 1 }
        while end > start, self[end &- 1].isBlank { end &-= 1 }
        return start..<end
    }

    /// The value of a folded field on one line: each line end, with the blanks around it, becomes one space (RFC 9112 section
    /// 5.2). Leading and trailing blanks are removed.
    var unfolded: [UInt8] {
        var result: [UInt8] = []
        var start = 0
        while true {
            let end = firstIndex(of: .carriageReturn, from: start) ?? count
            result.append(extracting(trimmingBlanks(start..<end)))
            guard end < count else { break }
            result.append(.space)
            start = end &+ 2
        }
        let value = result.span.trimmingBlanks(result.indices)
        return Array(result[value])
    }

    /// Returns the first index of `byte` at or after `start`, or nil if there is none.
    func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        var index = start
        while index < count {
            if self[index] == byte { return index }
            index &+= 1
        }
        return nil
    }

    /// Calls `body` with each element of a comma-separated list (RFC 9110 section 5.6.1), without leading and trailing blanks.
    /// Empty elements are included.
    func forEachListElement<E: Error>(_ body: (Span<UInt8>) throws(E) -> Void) throws(E) {
        var start = 0
        while true {
            let end = firstIndex(of: UInt8(ascii: ","), from: start) ?? count
            try body(extracting(trimmingBlanks(start..<end)))
            guard end < count else { return }
            start = end &+ 1
        }
    }
}
