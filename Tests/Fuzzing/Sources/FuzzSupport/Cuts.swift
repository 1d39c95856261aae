/// The places where an input is cut into pieces. They are derived from the input itself, so that a crash
/// recurs when the input is run again.
public struct Cuts {
    private var state: UInt64 = 0xcbf2_9ce4_8422_2325

    /// The cuts of this input.
    public init(of bytes: [UInt8]) {
        for byte in bytes { state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }

    /// A number below `bound`.
    public mutating func draw(below bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }

    /// The number of bytes that have arrived after each piece; the last is `count`.
    public mutating func ends(_ count: Int) -> [Int] {
        let longest = [1, 7, 50, 1 + count / 2][draw(below: 4)]
        var ends: [Int] = []
        var end = 0
        while end < count {
            end = min(count, end + 1 + draw(below: longest))
            ends.append(end)
        }
        return ends.isEmpty ? [0] : ends
    }
}
