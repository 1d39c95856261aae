/// The grammar of `uri-host [":" port]` (RFC 9110 section 7.2, RFC 3986 section 3.2).
enum Authority {
    /// Returns whether `bytes` is a non-empty host and an optional port of at most 65,535. User information is refused, as
    /// RFC 9110 section 4.2.4 recommends.
    ///
    /// The grammar allows an empty port after the colon, which means the default port. With `portRequired` the port must be there
    /// and not empty, as for CONNECT (RFC 9110 section 9.3.6).
    static func isValid(_ bytes: Span<UInt8>, portRequired: Bool = false) -> Bool {
        guard let hostEnd = bytes.isEmpty ? nil : endOfHost(bytes), hostEnd > 0 else { return false }
        guard hostEnd < bytes.count else { return !portRequired }
        guard bytes[hostEnd] == UInt8(ascii: ":") else { return false }
        return isPort(bytes.extracting((hostEnd + 1)..<bytes.count), required: portRequired)
    }

    /// Returns the index after the host, or nil if the host is malformed.
    private static func endOfHost(_ bytes: Span<UInt8>) -> Int? {
        if bytes[0] == UInt8(ascii: "[") {
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { return nil }
            let literal = bytes.extracting(1..<close)
            return isIPv6(literal) || isIPvFuture(literal) ? close + 1 : nil
        }
        let name = ByteSet.hostName
        var index = 0
        while index < bytes.count {
            if name.contains(bytes[index]) {
                index &+= 1
            } else if bytes[index] == UInt8(ascii: "%") {
                guard index + 2 < bytes.count, bytes[index + 1].hexDigitValue != nil, bytes[index + 2].hexDigitValue != nil
                else { return nil }
                index += 3
            } else {
                break
            }
        }
        return index
    }

    private static func isPort(_ bytes: Span<UInt8>, required: Bool) -> Bool {
        guard bytes.count <= 5, !(required && bytes.isEmpty) else { return false }
        var port = 0
        for index in bytes.indices {
            guard bytes[index].isDigit else { return false }
            port = port * 10 + Int(bytes[index] - UInt8(ascii: "0"))
        }
        return port <= 65_535
    }

    /// Returns whether `bytes` is an IPv6 address (RFC 3986 section 3.2.2): eight groups of one to four hexadecimal digits,
    /// with at most one `::` in place of zero groups. An IPv4 address may replace the last two groups. Zone identifiers are
    /// refused, because they are meaningful only on the client's machine.
    private static func isIPv6(_ bytes: Span<UInt8>) -> Bool {
        var groups = 0
        var isShortened = false
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: ":") {
                // A colon in place of a group is part of a `::`, so there must be another colon before or after it.
                guard !isShortened, index + 1 < bytes.count || index > 0 else { return false }
                if index == 0 {
                    guard bytes.count > 1, bytes[1] == UInt8(ascii: ":") else { return false }
                    index = 1
                }
                isShortened = true
                index += 1
                continue
            }
            let start = index
            while index < bytes.count, bytes[index].hexDigitValue != nil { index += 1 }
            if index < bytes.count, bytes[index] == UInt8(ascii: ".") {
                groups += 2
                return isIPv4(bytes.extracting(start..<bytes.count)) && (isShortened ? groups < 8 : groups == 8)
            }
            guard (1...4).contains(index - start) else { return false }
            groups += 1
            guard index < bytes.count else { break }
            guard bytes[index] == UInt8(ascii: ":"), index + 1 < bytes.count else { return false }
            index += 1
        }
        return isShortened ? groups < 8 : groups == 8
    }

    /// Returns whether `bytes` is `v`, a version in hexadecimal digits, a dot, and an address (`IPvFuture` in RFC 3986 section
    /// 3.2.2). Only the characters of the address are checked, because no such version has been defined.
    private static func isIPvFuture(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count >= 4, bytes[0].lowercased == UInt8(ascii: "v") else { return false }
        guard let dot = bytes.firstIndex(of: UInt8(ascii: ".")), dot > 1, dot + 1 < bytes.count else { return false }
        for index in 1..<dot where bytes[index].hexDigitValue == nil { return false }
        for index in (dot + 1)..<bytes.count {
            guard ByteSet.hostName.contains(bytes[index]) || bytes[index] == UInt8(ascii: ":") else { return false }
        }
        return true
    }

    /// Returns whether `bytes` is four decimal numbers of at most 255, without leading zeros, separated by dots.
    private static func isIPv4(_ bytes: Span<UInt8>) -> Bool {
        var numbers = 0
        var start = 0
        while start <= bytes.count {
            let end = bytes.firstIndex(of: UInt8(ascii: "."), from: start) ?? bytes.count
            guard (1...3).contains(end - start), end - start == 1 || bytes[start] != UInt8(ascii: "0") else { return false }
            var number = 0
            for index in start..<end {
                guard bytes[index].isDigit else { return false }
                number = number * 10 + Int(bytes[index] - UInt8(ascii: "0"))
            }
            guard number <= 255 else { return false }
            numbers += 1
            start = end + 1
        }
        return numbers == 4
    }
}
