import HTTPWire
import Testing

struct FuzzTests {
    /// Small limits, so that mutations reach them.
    private let limits = HTTPWireLimits(
        requestLine: 60, fieldLine: 60, fieldCount: 6, headBytes: 160, chunkExtensionBytes: 12, bodyExtensionBytes: 20,
        trailerBytes: 40)

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `mutated heads never trap, and cutting them changes no result`(seed: UInt64) {
        let seeds = [
            request("Accept: */*", "Connection: keep-alive"), request("Content-Length: 5", line: "POST /a%20b?c=d HTTP/1.1"),
            request("Transfer-Encoding: chunked", "Expect: 100-continue"),
            request(line: "GET http://[::1]:80/x?y HTTP/1.0", host: false),
            request(line: "CONNECT a:443 HTTP/1.1"), request(line: "OPTIONS * HTTP/1.1"),
            "\r\n" + request("Connection: close, x"),
            request("X: 1\tb", "Cookie: a") + request(),
        ]
        forEachMutation(of: seeds, seed: seed) { bytes, cut in
            let whole = Parsed(bytes, ends: [bytes.count], limits: limits)
            return Parsed(bytes, ends: [cut, bytes.count], limits: limits) == whole
                && Parsed(bytes, ends: stride(from: 1, through: bytes.count, by: 1), limits: limits) == whole
        }
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `mutated chunked bodies never trap, and cutting them changes no result`(seed: UInt64) {
        let seeds = [
            "3\r\nabc\r\n0\r\n\r\n", "A;a=b;c=\"d\\\"\"\r\n0123456789\r\n1\r\n\r\r\n0\r\nX: 1\r\nY: 2\r\n\r\nGET", "0;a\r\n\r\n",
            "0000000000000001\r\na\r\n7FFFFFFFFFFFFFFF\r\nb", "0\r\nX: 0123456789\r\n\r\n",
        ]
        forEachMutation(of: seeds, seed: seed) { bytes, cut in
            let whole = Decoded(bytes, ends: [bytes.count], limits: limits)
            return Decoded(bytes, ends: [cut, bytes.count], limits: limits) == whole
                && Decoded(bytes, ends: stride(from: 1, through: bytes.count, by: 1), limits: limits) == whole
        }
    }

    private func forEachMutation(of seeds: [String], seed: UInt64, _ holds: ([UInt8], _ cut: Int) -> Bool) {
        var generator = SeededGenerator(state: seed)
        for _ in 0..<4_000 {
            let bytes = mutated(Array(seeds.randomElement(using: &generator)!.utf8), using: &generator)
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            if !holds(bytes, cut) {
                Issue.record("cut at \(cut): \(String(decoding: bytes, as: UTF8.self).debugDescription)")
                return
            }
        }
    }
}
