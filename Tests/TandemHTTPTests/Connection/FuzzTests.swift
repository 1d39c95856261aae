import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct FuzzTests {
        static let seeds = [
            "GET /plain HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world",
            "POST /collect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n",
            "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
            "HEAD /stream HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
            "GET /stream HTTP/1.0\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        ].map { Array($0.utf8) }

        @Test(arguments: Style.allCases, 0..<3)
        func `300 connections with mutated requests, cut anywhere, leave nothing behind`(style: Style, seed: UInt64) async throws
        {
            try await withServer(
                {
                    $0.headerTimeout = .milliseconds(200)
                    $0.bodyTimeout = .milliseconds(200)
                    $0.halfCloseGrace = .milliseconds(50)
                    $0.maxBodyBytes = 1000
                },
                routes: { router in
                    router.plain("/plain", style)
                    router.collecting("/collect", style)
                    router.echoing("/echo", style)
                    router.streaming("/stream", style, [pattern(10), pattern(1000)])
                }
            ) { live in
                var random = SplitMix(state: seed)
                for _ in 0..<100 {
                    let client = try live.connect()
                    let bytes = Self.mutated(&random)
                    do {
                        var sent = 0
                        while sent < bytes.count {
                            let count = Int.random(in: 1...max(1, bytes.count / 3), using: &random)
                            try client.send(bytes[sent..<min(bytes.count, sent + count)])
                            sent += count
                        }
                        switch Int.random(in: 0..<4, using: &random) {
                        case 0: try client.close(reset: true)
                        case 1: try client.close()
                        case 2:
                            try client.endSending()
                            _ = try client.receiveUntilEnd(orReset: true)
                        default: break
                        }
                    } catch let error as TestClientError where [.reset, .cutShort].contains(error.code) {
                        // The server refused it before it had sent everything.
                    }
                    if Int.random(in: 0..<10, using: &random) == 0 {
                        #expect(try live.get("/plain").text == "ok")
                    }
                }
                #expect(try live.get("/plain").text == "ok")
            }
        }

        static func mutated(_ random: inout SplitMix) -> [UInt8] {
            var bytes = (0..<Int.random(in: 1...3, using: &random)).flatMap { _ in seeds.randomElement(using: &random)! }
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[at] = .random(in: 0...255, using: &random)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert([13, 10, 32, 0, 255].randomElement(using: &random)!, at: at)
                case 3: bytes.removeSubrange(at...)
                default: bytes.insert(contentsOf: bytes[at...].prefix(20), at: at)
                }
                if bytes.isEmpty { bytes = [0] }
            }
            return bytes
        }
    }
}

/// A generator of random numbers from a seed.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
