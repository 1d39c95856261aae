/// The limits in ``HTTPWireLimits`` that apply to a head. They take only 8 bytes, because each connection has a copy.
///
/// 16 bits per limit are enough, because a head has at most 65,535 bytes.
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

    /// The largest size in bytes at which a head cannot exceed a limit on bytes, however it is divided into lines.
    var surelyAllowed: Int { Int(min(requestLineBytes, fieldLineBytes, sectionBytes)) }

    /// Returns the first offset beyond `limit` bytes from `start`, at most 65,535.
    static func end(of limit: Int, from start: Int) -> Int {
        start + min(limit, Int(UInt16.max) - start)
    }
}
