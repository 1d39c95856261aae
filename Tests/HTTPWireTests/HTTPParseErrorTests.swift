import Testing

@testable import HTTPWire

struct HTTPParseErrorTests {
    @Test(arguments: 0...UInt8.max)
    func `every error has a response status and a message of one sentence`(rawValue: UInt8) {
        guard let kind = HTTPParseError.Kind(rawValue: rawValue) else { return }
        let error = HTTPParseError(HTTPParseError.Code(kind: kind))
        #expect([400, 414, 417, 431, 501, 505].contains(error.status))
        #expect(error.reason.hasSuffix("."))
        #expect(error.reason.utf8.count < 120)
        #expect(error.reason.utf8.allSatisfy { $0.isFieldContent })
        #expect(error.description == "\(error.status): \(error.reason)")
    }

    @Test(arguments: 0...UInt8.max)
    func `errors about responses do not mention requests or servers`(rawValue: UInt8) {
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

    @Test func `an error about a request differs from the same error about a response`() {
        #expect(HTTPParseError(.bareLineFeed) == HTTPParseError(.bareLineFeed, in: .request))
        #expect(HTTPParseError(.bareLineFeed) != HTTPParseError(.bareLineFeed, in: .response))
        #expect(HTTPParseError(.bareLineFeed).code == HTTPParseError(.bareLineFeed, in: .response).code)
    }
}
