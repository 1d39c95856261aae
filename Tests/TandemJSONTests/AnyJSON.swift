import FoundationEssentials

/// Any JSON value, decoded as people decode one whose shape they do not know.
enum AnyJSON: Codable, Equatable {
    case null
    case boolean(Bool)
    case number(Double)
    case string(String)
    case array([AnyJSON])
    case object([String: AnyJSON])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .boolean(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([AnyJSON].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: AnyJSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .boolean(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let value): try container.encode(value)
        case .object(let value): try container.encode(value)
        }
    }
}

/// The same numbers and values for the same seed, on every machine (SplitMix64).
struct JSONGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    private static let characters = Array("abcXYZ019 \"\\/,:{}[]é☃🧵\u{0}\u{1}\t\r\n\u{7F}\u{2028}\u{E000}")

    mutating func text(upTo count: Int) -> String {
        String((0..<Int.random(in: 0...count, using: &self)).map { _ in Self.characters.randomElement(using: &self)! })
    }

    mutating func value(depth: Int) -> AnyJSON {
        switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &self) {
        case 0: return .null
        case 1: return .boolean(Bool.random(using: &self))
        case 2: return .number(Double(Int.random(in: -1_000...1_000, using: &self)) / 8)
        case 3: return .number(Double.random(in: -1e300...1e300, using: &self))
        case 4: return .string(text(upTo: 8))
        case 5: return .array((0..<Int.random(in: 0...4, using: &self)).map { _ in value(depth: depth - 1) })
        default:
            var members: [String: AnyJSON] = [:]
            for _ in 0..<Int.random(in: 0...20, using: &self) { members[text(upTo: 4)] = value(depth: depth - 2) }
            return .object(members)
        }
    }

    private static let pieces = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud83e\\uddf5", "\\ud800", "\\udc00", "null", "true", "1e400", "-0",
        "00", ".5",
        "1.", "1e", "\u{FEFF}", "\0", " ", "\n", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "999999999999999999999", "é",
    ].map { Array($0.utf8) }

    /// Changes, inserts or removes up to three bytes or pieces.
    mutating func mutated(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 0...3, using: &self) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &self)
            switch Int.random(in: 0..<5, using: &self) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &self)
            case 1: bytes.insert(contentsOf: Self.pieces.randomElement(using: &self)!, at: place)
            case 2: bytes.remove(at: place)
            case 3: bytes.removeSubrange(place...)
            default: bytes.insert(contentsOf: bytes[place..<min(place + 12, bytes.count)], at: place)
            }
        }
        return bytes
    }
}
