/// The limit on combining marks in text from the network.
///
/// The standard library compares and hashes strings by canonical equivalence. For that it sorts each run of combining marks, in
/// time quadratic in the length of the run: with 512 KiB of marks one comparison takes 40 s. The stream-safe text format (UAX #15,
/// section 13) allows 30 in a row.
package enum CombiningMarks {
    /// The maximum number of combining marks in a row.
    package static let limit = 128

    /// Returns whether a run of combining marks in `text` exceeds the limit.
    package static func exceedLimit(in text: String) -> Bool {
        // The first mark is U+0300, and a mark takes two bytes or more.
        guard text.utf8.count > 2 * limit else { return false }
        var run = 0
        for scalar in text.unicodeScalars {
            guard scalar.value >= 0x300, scalar.properties.canonicalCombiningClass != .notReordered else {
                run = 0
                continue
            }
            run += 1
            if run > limit { return true }
        }
        return false
    }
}

extension String {
    /// Returns whether both texts have the same bytes. `==` also takes canonically equivalent text for the same, such as U+212A
    /// (the Kelvin sign) for K.
    package func hasSameBytes(as other: String) -> Bool {
        guard utf8.count == other.utf8.count else { return false }
        let (bytes, others) = (utf8.span, other.utf8.span)
        for index in bytes.indices where bytes[index] != others[index] { return false }
        return true
    }
}
