/// `tracestate`: a list of what the systems on the way have to say, which is handed on or dropped as a whole.
enum TraceState {
    /// Bytes that are handed on: what the specification asks everybody to take. More is dropped.
    static let longest = 512
    /// Members that a list may have.
    static let members = 32

    /// The list without its empty members; nil when there is nothing in it, or when any of it is malformed.
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

    /// `key`, or `tenant@system`.
    private static func isKey(_ key: Substring.UTF8View) -> Bool {
        guard let first = key.first, key.count <= 256, isLetter(first) || isDigit(first) else { return false }
        return key.allSatisfy { isLetter($0) || isDigit($0) || "_-*/@".utf8.contains($0) }
    }

    /// Printable ASCII but `,` and `=`.
    private static func isValue(_ value: Substring.UTF8View) -> Bool {
        1...256 ~= value.count
            && value.allSatisfy { 0x20...0x7E ~= $0 && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "=") }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte }
    private static func isDigit(_ byte: UInt8) -> Bool { UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte }
}

extension Substring {
    /// Without the spaces and tabs around it.
    fileprivate var trimmed: Substring {
        var text = drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
