internal import HTTPWire

/// A place in a text that is not JSON, and the problem there.
struct JSONFault: Error, Equatable {
    let offset: Int
    let reason: String
}

/// Reads a text strictly by RFC 8259, without recursion: UTF-8 only, whole surrogate pairs, no name twice in an object, and no
/// deeper than the limit.
struct JSONScanner {
    private typealias Node = JSONDocument.Node

    private let bytes: [UInt8]
    private let maximumDepth: Int
    private var at = 0
    private var nodes: [Node] = []
    /// The indices of the arrays and objects that have begun and not ended.
    private var open: [Int] = []

    private init(_ bytes: [UInt8], maximumDepth: Int) {
        self.bytes = bytes
        self.maximumDepth = maximumDepth
        nodes.reserveCapacity(bytes.count / 8)
        open.reserveCapacity(maximumDepth)
    }

    static func scan(_ bytes: [UInt8], maximumDepth: Int) throws(JSONFault) -> JSONDocument {
        guard bytes.count < UInt32.max else { throw JSONFault(offset: 0, reason: "it has 4 GiB or more") }
        do {
            _ = try UTF8Span(validating: bytes.span)
        } catch {
            throw JSONFault(offset: error.byteOffsets.lowerBound, reason: "these bytes are not UTF-8")
        }
        var scanner = JSONScanner(bytes, maximumDepth: maximumDepth)
        try scanner.scanText()
        return JSONDocument(bytes: bytes, nodes: scanner.nodes)
    }

    private mutating func scanText() throws(JSONFault) {
        // A byte order mark may be ignored (RFC 8259, 8.1).
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { at = 3 }
        repeat { try scanValue() } while try goOn()
    }

    /// After a value, ends the arrays and objects that end here. Returns whether another value follows, with its name behind.
    private mutating func goOn() throws(JSONFault) -> Bool {
        while let container = open.last {
            nodes[container].end += 1
            let isObject = nodes[container].kind == .object
            let close = isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")
            switch nextByte() {
            case UInt8(ascii: ","):
                at += 1
                if isObject { try scanName() }
                return true
            case close:
                at += 1
                try end(container)
            default: throw fault("expected \",\" or \"\(Character(Unicode.Scalar(close)))\"")
            }
        }
        guard nextByte() == nil else { throw fault("expected the end of the text") }
        return false
    }

    /// Reads a scalar or an empty array or object, or the beginning of an array or object up to its first scalar.
    private mutating func scanValue() throws(JSONFault) {
        while true {
            guard let byte = nextByte() else { throw fault("expected a value") }
            switch byte {
            case UInt8(ascii: "{"):
                let container = try begin(.object)
                if nextByte() == UInt8(ascii: "}") {
                    at += 1
                    return try end(container)
                }
                try scanName()
            case UInt8(ascii: "["):
                let container = try begin(.array)
                if nextByte() == UInt8(ascii: "]") {
                    at += 1
                    return try end(container)
                }
            case UInt8(ascii: "\""): return try scanString()
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try scanNumber()
            case UInt8(ascii: "t"): return try scanWord("true", .true)
            case UInt8(ascii: "f"): return try scanWord("false", .false)
            case UInt8(ascii: "n"): return try scanWord("null", .null)
            default: throw fault("expected a value")
            }
        }
    }

    private mutating func scanName() throws(JSONFault) {
        guard nextByte() == UInt8(ascii: "\"") else { throw fault("expected a name in double quotes") }
        try scanString()
        guard nextByte() == UInt8(ascii: ":") else { throw fault("expected \":\"") }
        at += 1
    }

    // MARK: Arrays and objects

    private mutating func begin(_ kind: JSONDocument.Kind) throws(JSONFault) -> Int {
        guard open.count < maximumDepth else {
            throw fault("arrays and objects are nested more than \(maximumDepth) levels deep")
        }
        open.append(nodes.count)
        nodes.append(Node(kind: kind, start: UInt32(at), end: 0, next: 0))
        at += 1
        return nodes.count - 1
    }

    private mutating func end(_ container: Int) throws(JSONFault) {
        open.removeLast()
        nodes[container].next = UInt32(nodes.count)
        if nodes[container].kind == .object, nodes[container].count > 1 { try checkNames(of: container) }
    }

    /// Throws when a name comes twice: readers differ in which of the values they take.
    private func checkNames(of object: Int) throws(JSONFault) {
        let count = nodes[object].count
        var isPlain = true
        var names: [Int] = []
        names.reserveCapacity(count)
        var node = object + 1
        for _ in 0..<count {
            names.append(node)
            if nodes[node].kind == .encodedString { isPlain = false }
            node = Int(nodes[node + 1].next)
        }
        if count <= 8, isPlain {
            for index in 1..<count {
                for other in 0..<index where isSame(nodes[names[index]], nodes[names[other]]) { throw twice(names[index]) }
            }
        } else {
            var seen: Set<String> = []
            seen.reserveCapacity(count)
            for name in names where !seen.insert(bytes.jsonText(of: nodes[name])).inserted { throw twice(name) }
        }
    }

    private func isSame(_ one: Node, _ other: Node) -> Bool {
        let (start, otherStart, count) = (Int(one.start), Int(other.start), Int(one.end - one.start))
        guard other.end - other.start == count else { return false }
        for index in 0..<count where bytes[start + index] != bytes[otherStart + index] { return false }
        return true
    }

    private func twice(_ name: Int) -> JSONFault {
        JSONFault(offset: Int(nodes[name].start) - 1, reason: "this name comes twice in an object")
    }

    // MARK: Scalars

    private mutating func add(_ kind: JSONDocument.Kind, from start: Int, to end: Int) {
        nodes.append(Node(kind: kind, start: UInt32(start), end: UInt32(end), next: UInt32(nodes.count + 1)))
    }

    private mutating func scanString() throws(JSONFault) {
        at += 1
        let start = at
        var kind = JSONDocument.Kind.string
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                add(kind, from: start, to: at)
                try checkMarks()
                at += 1
                return
            case UInt8(ascii: "\\"):
                kind = .encodedString
                try scanEscape()
            case 0..<0x20: throw fault("control characters in a string must be escaped")
            case let byte:
                if byte >= 0x80 { kind = .encodedString }
                at += 1
            }
        }
        throw fault("expected the end of a string")
    }

    /// Throws if the string that was just added has too many combining marks in a row, in time or memory only for long strings.
    private func checkMarks() throws(JSONFault) {
        guard let node = nodes.last, node.kind == .encodedString, Int(node.end - node.start) > 2 * CombiningMarks.limit,
            CombiningMarks.exceedLimit(in: bytes.jsonText(of: node))
        else { return }
        throw JSONFault(
            offset: Int(node.start) - 1, reason: "this string has more than \(CombiningMarks.limit) combining marks in a row")
    }

    private mutating func scanEscape() throws(JSONFault) {
        guard at + 1 < bytes.count else {
            at = bytes.count
            throw fault("expected the end of a string")
        }
        switch bytes[at + 1] {
        case UInt8(ascii: "u"):
            guard let unit = bytes.hexadecimal(at + 2) else { throw fault("expected four hexadecimal digits after \"\\u\"") }
            guard 0xD800..<0xE000 ~= unit else {
                at += 6
                return
            }
            guard unit < 0xDC00, at + 7 < bytes.count, bytes[at + 6] == UInt8(ascii: "\\"), bytes[at + 7] == UInt8(ascii: "u"),
                let second = bytes.hexadecimal(at + 8), 0xDC00..<0xE000 ~= second
            else { throw fault("half of a surrogate pair is missing") }
            at += 12
        case let byte where "\"\\/bfnrt".utf8.contains(byte): at += 2
        default: throw fault("there is no such escape")
        }
    }

    private mutating func scanNumber() throws(JSONFault) {
        let start = at
        if bytes[at] == UInt8(ascii: "-") { at += 1 }
        let hasLeadingZero = at < bytes.count && bytes[at] == UInt8(ascii: "0")
        let whole = try scanDigits()
        guard !hasLeadingZero || whole == 1 else {
            at -= whole
            throw fault("a number must not begin with 0")
        }
        if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
            at += 1
            _ = try scanDigits()
        }
        if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
            at += 1
            if at < bytes.count, bytes[at] == UInt8(ascii: "+") || bytes[at] == UInt8(ascii: "-") { at += 1 }
            _ = try scanDigits()
        }
        add(.number, from: start, to: at)
    }

    /// Returns the number of digits, at least 1.
    private mutating func scanDigits() throws(JSONFault) -> Int {
        let start = at
        while at < bytes.count, bytes[at] &- UInt8(ascii: "0") <= 9 { at += 1 }
        guard at > start else { throw fault("expected a digit") }
        return at - start
    }

    private mutating func scanWord(_ word: StaticString, _ kind: JSONDocument.Kind) throws(JSONFault) {
        let text = word.description.utf8
        guard bytes[at...].starts(with: text) else { throw fault("expected a value") }
        add(kind, from: at, to: at + text.count)
        at += text.count
    }

    // MARK: Places

    /// Skips white space and returns the next byte without taking it, or nil at the end.
    private mutating func nextByte() -> UInt8? {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x0A, 0x0D, 0x09: at += 1
            case let byte: return byte
            }
        }
        return nil
    }

    private func fault(_ reason: String) -> JSONFault {
        JSONFault(offset: at, reason: at < bytes.count ? reason : reason + ", found the end of the body")
    }
}
