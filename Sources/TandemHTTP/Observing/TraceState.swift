/// The field `tracestate`: a list of entries from the systems on the path of a request. It is passed on or dropped as a whole.
enum TraceState {
    /// The longest list that is passed on, in bytes. The specification asks every system to pass on at least this length. A
    /// longer list is dropped.
    static let longest = 512
    /// The maximum number of members in a list.
    static let members = 32

    /// Returns the list without its empty members. Returns nil if there are no other members, too many, or a malformed one.
    static func checked(_ text: String) -> String? {
        guard text.utf8.count <= longest else { return nil }
        let parts = text.split(separator: ",").map { $0.trimmed }.filter { !$0.isEmpty }
        guard 1...members ~= parts.count else { return nil }
        var keys: Set<Substring> = []
        for part in parts {
            guard let equals = part.firstIndex(of: "=") else { return nil }
            let (key, value) = (part[..<equals], part[part.index(after: equals)...])
            guard isKey(key.utf8), isValue(value.utf8), keys.insert(key).inserted else { return nil }
        }
        return parts.joined(separator: ",")
    }

    /// Returns whether the key is `key` or `tenant@system`, in the characters and the length that are allowed.
    private static func isKey(_ key: Substring.UTF8View) -> Bool {
        guard let first = key.first, key.count <= 256, isLetter(first) || isDigit(first) else { return false }
        return key.allSatisfy { isLetter($0) || isDigit($0) || "_-*/@".utf8.contains($0) }
    }

    /// Returns whether the value is 1 to 256 characters of printable ASCII except `,` and `=`.
    private static func isValue(_ value: Substring.UTF8View) -> Bool {
        1...256 ~= value.count
            && value.allSatisfy { 0x20...0x7E ~= $0 && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte }
    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }
}

extension Substring {
    /// The text without the spaces and tabs around it.
    fileprivate var trimmed: Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
