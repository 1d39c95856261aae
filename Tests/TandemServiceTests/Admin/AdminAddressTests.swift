import Testing

@testable import TandemService

@Suite struct AdminAddressTests {
    @Test(arguments: ["127.0.0.1:8081", "[::1]:0", "localhost:65535", "0.0.0.0:1"])
    func anAddressIsReadAndWritten(text: String) {
        #expect(AdminAddress(text)?.description == text)
    }

    @Test(arguments: [
        "", ":1", "8081", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:80", "[::1]", "example.com:80",
        "127.0.0.1:+1",
    ])
    func everythingElseIsNone(text: String) {
        #expect(AdminAddress(text) == nil)
    }
}
