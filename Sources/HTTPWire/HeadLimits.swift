/// The part of ``HTTPWireLimits`` that applies to lines, in 8 bytes, because each connection has a copy.
///
/// 16 bits are enough: a head is at most 65,535 bytes, so a greater limit allows no more.
struct HeadLimits: Sendable {
    private let requestLineBytes, fieldLineBytes, fields, sectionBytes: UInt16

    init(_ limits: HTTPWireLimits) {
        requestLineBytes = UInt16(clamping: limits.requestLine)
        fieldLineBytes = UInt16(clamping: limits.fieldLine)
        fields = UInt16(clamping: limits.fieldCount)
        sectionBytes = UInt16(clamping: limits.headBytes)
    }

    var requestLine: Int { Int(requestLineBytes) }
    var fieldLine: Int { Int(fieldLineBytes) }
    var fieldCount: Int { Int(fields) }
    var headBytes: Int { Int(sectionBytes) }

    /// The greatest size of a head which exceeds none of the limits, whatever its lines are.
    var surelyAllowed: Int { Int(min(requestLineBytes, fieldLineBytes, sectionBytes)) }

    /// The first offset beyond `limit` bytes from `start`, capped at what 16 bits can address.
    static func end(of limit: Int, from start: Int) -> Int {
        start + min(limit, Int(UInt16.max) - start)
    }
}
