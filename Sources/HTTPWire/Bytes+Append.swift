extension [UInt8] {
    /// Appends all bytes of a span.
    mutating func append(_ bytes: Span<UInt8>) {
        append(addingCapacity: bytes.count) { $0.append(bytes) }
    }
}

extension OutputSpan<UInt8> {
    /// Appends bytes known when this was compiled.
    @inline(__always)
    mutating func append(literal text: StaticString) {
        unsafe append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount).span)
    }

    /// Appends the UTF-8 of a string.
    mutating func append(_ string: String) {
        append(string.utf8.span)
    }

    /// Appends all bytes of a span.
    @inline(__always)
    mutating func append(_ bytes: Span<UInt8>) {
        precondition(bytes.count <= freeCapacity, "what is appended was not reckoned with")
        // The check above is the bound of the copy; the source is as long as it says.
        unsafe withUnsafeMutableBufferPointer { buffer, initialized in
            unsafe bytes.withUnsafeBufferPointer { source in
                guard let from = source.baseAddress, let start = buffer.baseAddress else { return }
                unsafe (start + initialized).initialize(from: from, count: source.count)
            }
            initialized += bytes.count
        }
    }

    /// Appends a number that is not negative.
    mutating func append(decimal number: Int) {
        append(number, radix: 10)
    }

    /// Appends a number that is not negative, in lowercase.
    mutating func append(hexadecimal number: Int) {
        append(number, radix: 16)
    }

    @inline(__always)
    private mutating func append(_ number: Int, radix: Int) {
        precondition(number >= 0)
        var place = 1
        while number / place >= radix { place *= radix }
        while place > 0 {
            let digit = UInt8(truncatingIfNeeded: number / place % radix)
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            place /= radix
        }
    }

    /// Whether what was appended from `start` on may stand in a field value.
    func isFieldContent(from start: Int) -> Bool {
        var index = start
        while true {
            index = span.firstControl(from: index, to: count)
            guard index < count else { return true }
            guard span[index] == .tab else { return false }
            index += 1
        }
    }
}
