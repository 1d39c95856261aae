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

    @Test("every error about a response has a sentence that says nothing of requests and servers", arguments: 0...UInt8.max)
    func responses(rawValue: UInt8) {
        guard let kind = HTTPParseError.Kind(rawValue: rawValue) else { return }
        let onlyInRequests: [HTTPParseError.Kind] = [
            .requestLineTooLong, .invalidMethod, .invalidTarget, .invalidPercentEncoding, .missingVersion, .invalidVersion,
            .missingHost, .duplicateHost, .invalidHost, .duplicateContentLength, .unsupportedExpectation,
        ]
        let error = HTTPParseError(HTTPParseError.Code(kind: kind), in: .response)
        #expect(error.status == 502)
        #expect(error.description == error.reason)
        #expect(error.reason.hasSuffix("."))
        #expect(error.reason.utf8.count < 120)
        #expect(error.reason.utf8.allSatisfy { $0.isFieldContent })
        if onlyInRequests.contains(kind) { return }
        for word in ["request", "send", "write", "serve"] { #expect(!error.reason.contains(word)) }
    }

    @Test("the same error about a request and about a response is not equal")
    func messages() {
        #expect(HTTPParseError(.bareLineFeed) == HTTPParseError(.bareLineFeed, in: .request))
        #expect(HTTPParseError(.bareLineFeed) != HTTPParseError(.bareLineFeed, in: .response))
        #expect(HTTPParseError(.bareLineFeed).code == HTTPParseError(.bareLineFeed, in: .response).code)
    }
}
