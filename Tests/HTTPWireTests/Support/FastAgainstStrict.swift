import HTTPWire
import Testing

/// Compares a fast path with the strict parser. Both return the parsed head, or nil if they do not accept it.
struct FastAgainstStrict<Head: Equatable> {
    let fast: ([UInt8], HTTPWireLimits) -> Head?
    let strict: ([UInt8], HTTPWireLimits) -> Head?

    /// Checks every byte at every place of `head`: the strict parser must accept the same head as the fast path.
    func checkEveryByte(of head: [UInt8]) {
        for place in head.indices {
            for byte in UInt8.min...UInt8.max {
                var bytes = head
                bytes[place] = byte
                if let accepted = fast(bytes, HTTPWireLimits()), accepted != strict(bytes, HTTPWireLimits()) {
                    Issue.record("byte \(byte) at \(place) is accepted as another head")
                }
            }
        }
    }

    /// Checks 4,000 mutated heads, some with limits around their size.
    ///
    /// - Parameters:
    ///   - mostFields: The greatest limit of fields to try.
    ///   - original: Makes a head to mutate.
    func checkMutations(
        seed: UInt64, mostFields: Int, of original: (inout SeededGenerator) -> [UInt8]
    ) {
        var generator = SeededGenerator(state: seed)
        var accepted = 0
        for _ in 0..<4_000 {
            let bytes = mutated(original(&generator), using: &generator)
            let around = Int.random(in: -2...2, using: &generator)
            func limit(_ usual: Int) -> Int {
                Int.random(in: 0..<4, using: &generator) == 0 ? max(0, bytes.count + around) : usual
            }
            let limits = HTTPWireLimits(
                requestLine: limit(8_192), fieldLine: limit(8_192),
                fieldCount: Int.random(in: 0...mostFields, using: &generator), headBytes: limit(32_768))
            guard let head = fast(bytes, limits) else { continue }
            accepted += 1
            if head != strict(bytes, limits) {
                Issue.record("accepted as another head: \(String(decoding: bytes, as: UTF8.self).debugDescription)")
                return
            }
        }
        #expect(accepted > 200, "too few heads were accepted to compare")
    }
}
