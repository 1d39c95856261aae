extension RawSpan {
    /// Calls `body` with the same memory as bytes. Every bit pattern is a `UInt8`, so nothing can be misread.
    func withBytes<R: ~Copyable, E: Error>(_ body: (Span<UInt8>) throws(E) -> R) throws(E) -> R {
        try unsafe withUnsafeBytes { raw throws(E) in
            try unsafe body(raw.bindMemory(to: UInt8.self).span)
        }
    }
}

extension Span<UInt8> {
    /// The first index in `start..<end` whose byte is a control (below 0x20, or DEL), or `end`.
    ///
    /// Eight bytes a step: field values are most of a head, and nearly all of their bytes are unremarkable.
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
            // The high bit of each byte that is below 0x20, or DEL. A borrow can set wrong bits, but only above a right one.
            let hits = (((word &- ones &* 0x20) & ~word) | ((deleted &- ones) & ~deleted)) & (ones &* 0x80)
            if hits != 0 { return index &+ hits.trailingZeroBitCount &>> 3 }
            index &+= 8
        }
        while index < end, self[index] >= 0x20, self[index] != 0x7F { index &+= 1 }
        return index
    }

    /// Whether all bytes may stand in a field value: no control byte except tab.
    var isFieldContent: Bool {
        var index = 0
        while true {
            index = firstControl(from: index, to: count)
            guard index < count else { return true }
            guard self[index] == .tab else { return false }
            index += 1
        }
    }

    /// These bytes as text, repaired where they are not UTF-8.
    var text: String {
        unsafe withUnsafeBufferPointer { unsafe String(decoding: $0, as: UTF8.self) }
    }

    /// Whether these bytes are those of `lowercase`, ASCII letters in either case.
    func equalsIgnoringCase(_ lowercase: Span<UInt8>) -> Bool {
        guard count == lowercase.count else { return false }
        for index in indices where self[index].lowercased != lowercase[index] { return false }
        return true
    }

    /// The same for a literal, whose bytes are immortal.
    func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        let bytes = unsafe UnsafeBufferPointer(start: lowercase.utf8Start, count: lowercase.utf8CodeUnitCount)
        return unsafe equalsIgnoringCase(bytes.span)
    }

    /// `range` without the blanks at both of its ends.
    @inline(__always)
    func trimmingBlanks(_ range: Range<Int>) -> Range<Int> {
        var (start, end) = (range.lowerBound, range.upperBound)
        while start < end, self[start].isBlank { start &+= 1 }
        while end > start, self[end &- 1].isBlank { end &-= 1 }
        return start..<end
    }

    /// The value of a field that continues over several lines: each line end and the blanks around it are one space
    /// (RFC 9112 section 5.2), and there are no blanks at both ends.
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

    /// The index of `byte` at or after `start`, or nil.
    func firstIndex(of byte: UInt8, from start: Int = 0) -> Int? {
        var index = start
        while index < count {
            if self[index] == byte { return index }
            index &+= 1
        }
        return nil
    }

    /// Calls `body` with every element of a comma-separated list (RFC 9110 section 5.6.1), blanks trimmed, empty ones too.
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
