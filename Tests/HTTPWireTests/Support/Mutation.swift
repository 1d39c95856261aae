/// The same numbers for the same seed, on every machine and in every release (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

private let interesting = Array("\r\n\t\0 :,;=\"\\%?#*/0aF[].\u{7F}".utf8) + [0x80, 0xFF]

/// Changes, inserts or removes up to three bytes or short pieces.
func mutated(_ original: [UInt8], using generator: inout SeededGenerator) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
        case 1: bytes[place] = interesting.randomElement(using: &generator)!
        case 2: bytes.insert(interesting.randomElement(using: &generator)!, at: place)
        case 3: bytes.remove(at: place)
        default: bytes.insert(contentsOf: bytes[place..<min(place + 12, bytes.count)], at: place)
        }
    }
    return bytes
}
