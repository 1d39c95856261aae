/// The same numbers and texts for the same seed, on every machine (SplitMix64).
struct MessageGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    private static let characters = Array("abcXYZ019 \"\\;,=&+%/-_{}[]<>é☃🧵\u{1}\t\r\n\u{7F}\u{2028}")

    /// Returns up to this many characters, many of which mean something in a header field or a form.
    mutating func text(upTo count: Int) -> String {
        String((0..<Int.random(in: 0...count, using: &self)).map { _ in Self.characters.randomElement(using: &self)! })
    }

    /// Changes, inserts or removes up to three bytes.
    mutating func mutated(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 0...3, using: &self) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &self)
            switch Int.random(in: 0..<4, using: &self) {
            case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &self)
            case 1: bytes.insert(Array("%=&+;\"\\\0".utf8).randomElement(using: &self)!, at: place)
            case 2: bytes.remove(at: place)
            default: bytes.insert(contentsOf: bytes[place..<min(place + 12, bytes.count)], at: place)
            }
        }
        return bytes
    }
}
