import Testing

@testable import HTTPWire

@Suite("Parse errors")
struct HTTPParseErrorTests {
    @Test("every error has a status for an error response and one sentence", arguments: 0...UInt8.max)
    func reasons(rawValue: UInt8) {
        guard let kind = HTTPParseError.Kind(rawValue: rawValue) else { return }
        let error = HTTPParseError(HTTPParseError.Code(kind: kind))
        #expect([400, 414, 417, 431, 501, 505].contains(error.status))
        #expect(error.reason.hasSuffix("."))
        #expect(error.reason.utf8.count < 120)
        #expect(error.reason.utf8.allSatisfy { $0.isFieldContent })
        #expect(error.description == "\(error.status): \(error.reason)")
    }
}
