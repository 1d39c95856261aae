package import HTTPTypes

/// The methods of RFC 9110 and PATCH (RFC 5789) as numbers, so that code on the path of every request compares no strings.
package enum KnownMethod: UInt8, Sendable, CaseIterable {
    case other, get, head, post, put, delete, connect, options, trace, patch

    /// Creates the number for the bytes of a method. Methods are case-sensitive (RFC 9110 section 9.1).
    init(_ bytes: Span<UInt8>) {
        guard bytes.count <= 7 else {
            self = .other
            return
        }
        // The ASCII bytes of the name as one number, so that each comparison is one instruction.
        var name: UInt64 = 0
        for index in bytes.indices { name = name << 8 | UInt64(bytes[index]) }
        switch name {
        case 0x47_4554: self = .get
        case 0x4845_4144: self = .head
        case 0x504F_5354: self = .post
        case 0x50_5554: self = .put
        case 0x4445_4C45_5445: self = .delete
        case 0x43_4F4E_4E45_4354: self = .connect
        case 0x4F_5054_494F_4E53: self = .options
        case 0x54_5241_4345: self = .trace
        case 0x50_4154_4348: self = .patch
        default: self = .other
        }
    }

    /// Creates the number for a method of swift-http-types.
    package init(_ method: HTTPRequest.Method) {
        let name = method.rawValue.utf8.span
        self.init(name)
    }

    /// The method, or nil for ``other``.
    package var method: HTTPRequest.Method? {
        switch self {
        case .other: nil
        case .get: .get
        case .head: .head
        case .post: .post
        case .put: .put
        case .delete: .delete
        case .connect: .connect
        case .options: .options
        case .trace: .trace
        case .patch: .patch
        }
    }
}
