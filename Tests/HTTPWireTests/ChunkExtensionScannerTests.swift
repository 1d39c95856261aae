import HTTPWire
import Testing

struct ChunkExtensionScannerTests {
    @Test(arguments: [
        Refusal(";", .invalidChunkExtension), Refusal(";;", .invalidChunkExtension), Refusal(";a;", .invalidChunkExtension),
        Refusal(";=a", .invalidChunkExtension), Refusal(";a=", .invalidChunkExtension),
        Refusal(";a==b", .invalidChunkExtension),
        Refusal("; a", .invalidChunkExtension), Refusal(";a ", .invalidChunkExtension),
        Refusal(";a =b", .invalidChunkExtension),
        Refusal(";a= b", .invalidChunkExtension), Refusal(";a=b\"c\"", .invalidChunkExtension),
        Refusal(";a=\"b\"c", .invalidChunkExtension), Refusal(";a=\"b", .invalidChunkExtension),
        Refusal(";a=\"b\\", .invalidChunkExtension), Refusal(";a=\"\u{1}\"", .invalidChunkExtension),
        Refusal(";a=\"\\\u{1}\"", .invalidChunkExtension), Refusal(";a\u{0}", .invalidChunkExtension),
        Refusal(";é", .invalidChunkExtension), Refusal(";a\n", .bareLineFeed), Refusal(";a=\"\n", .bareLineFeed),
        Refusal(";a\rb", .bareCarriageReturn),
    ])
    func `malformed extensions are refused`(_ refusal: Refusal) {
        refusal.check(decode("1\(refusal.input)\r\na\r\n0\r\n\r\n").error)
    }

    @Test func `extensions at the limit per chunk are accepted, one byte more is refused before the line ends`() {
        let limits = HTTPWireLimits(chunkExtensionBytes: 5)
        #expect(decode("1;abcd\r\na\r\n1;efgh\r\na\r\n0\r\n\r\n", limits: limits).isComplete)
        Refusal("", .chunkExtensionsTooLong).check(decode("1;abcde", limits: limits).error)
    }

    @Test func `extensions at the limit per body are accepted, one byte more is refused`() {
        let limits = HTTPWireLimits(bodyExtensionBytes: 6)
        #expect(decode("1;ab\r\na\r\n1;cd\r\na\r\n0\r\n\r\n", limits: limits).isComplete)
        #expect(decode("1;ab\r\na\r\n1;cd\r\na\r\n0;", limits: limits).error == .chunkExtensionsTooLong)
    }
}
