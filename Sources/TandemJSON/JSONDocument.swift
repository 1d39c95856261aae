internal import HTTPWire

/// A JSON text and the values in it, in the order of the text. A value knows where the next one after it begins, so that members
/// can be found without building trees or strings first.
final class JSONDocument: Sendable {
    enum Kind: UInt8 {
        case null
        case `true`
        case `false`
        case number
        case string
        /// A string with escapes or beyond ASCII.
        case encodedString
        case array
        case object
    }

    struct Node {
        let kind: Kind
        /// The offset of the first byte; for a string, of the byte after the quote.
        let start: UInt32
        /// The offset after the last byte of a scalar, or the number of elements or members.
        var end: UInt32
        /// The index of the node after this value and everything in it.
        var next: UInt32

        var count: Int { Int(end) }
    }

    let bytes: [UInt8]
    /// All values in the order of the text. In an object, the node of a name precedes that of its value.
    let nodes: [Node]

    init(bytes: [UInt8], nodes: [Node]) {
        self.bytes = bytes
        self.nodes = nodes
    }

    /// The index of the first node after this value and everything in it.
    func after(_ node: Int) -> Int { Int(nodes[node].next) }

    /// The bytes of a scalar; of a string, without its quotes.
    func bytes(of node: Int) -> ArraySlice<UInt8> { bytes[Int(nodes[node].start)..<Int(nodes[node].end)] }

    /// The text of a number, or the content of a string.
    func text(of node: Int) -> String { bytes.jsonText(of: nodes[node]) }

    /// Whether the string at `node` has this content. Text is compared by its bytes.
    func string(_ node: Int, equals text: String) -> Bool {
        guard nodes[node].kind == .string else { return self.text(of: node).hasSameBytes(as: text) }
        let (start, count) = (Int(nodes[node].start), Int(nodes[node].end - nodes[node].start))
        let other = text.utf8.span
        guard other.count == count else { return false }
        for index in 0..<count where bytes[start + index] != other[index] { return false }
        return true
    }
}

extension [UInt8] {
    /// The text of a number, or the content of a string.
    func jsonText(of node: JSONDocument.Node) -> String {
        let content = self[Int(node.start)..<Int(node.end)]
        guard node.kind == .encodedString else { return String(decoding: content, as: UTF8.self) }
        var plain: [UInt8] = []
        plain.reserveCapacity(content.count)
        var at = content.startIndex
        while at < content.endIndex {
            guard content[at] == UInt8(ascii: "\\") else {
                plain.append(content[at])
                at += 1
                continue
            }
            at += 2
            switch content[at - 1] {
            case UInt8(ascii: "b"): plain.append(0x08)
            case UInt8(ascii: "f"): plain.append(0x0C)
            case UInt8(ascii: "n"): plain.append(0x0A)
            case UInt8(ascii: "r"): plain.append(0x0D)
            case UInt8(ascii: "t"): plain.append(0x09)
            case UInt8(ascii: "u"):
                var scalar = content.hexadecimal(at)!
                at += 4
                if 0xD800..<0xDC00 ~= scalar {
                    scalar = 0x10000 + (scalar - 0xD800) << 10 + (content.hexadecimal(at + 2)! - 0xDC00)
                    at += 6
                }
                plain.append(contentsOf: String(Unicode.Scalar(scalar)!).utf8)
            case let byte: plain.append(byte)
            }
        }
        return String(decoding: plain, as: UTF8.self)
    }
}

extension RandomAccessCollection where Element == UInt8, Index == Int {
    /// The value of the four hexadecimal digits at an index, or nil.
    func hexadecimal(_ index: Int) -> UInt32? {
        guard index + 4 <= endIndex else { return nil }
        var value: UInt32 = 0
        for byte in self[index..<index + 4] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: return nil
            }
        }
        return value
    }
}
