import HTTPTypes
import Tandem
import TandemFetch
import Testing

/// Codings that the client requests, and codings that it does not.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct DecompressionTests {
    let upstream = Upstream()

    private func content(_ count: Int) -> [UInt8] { (0..<count).map { UInt8($0 % 251 * ($0 % 251) % 251) } }

    /// Sizes around those of the buffers, and one that needs several of each.
    @Test(arguments: ["gzip", "deflate", "bare", "members"], [0, 1, 16 * 1024, 256 * 1024, 256 * 1024 + 1, 3_000_000])
    func `a coded body is decoded`(_ how: String, _ count: Int) async throws {
        let url = upstream.url("/coded?n=\(count)&how=\(how)&coding=\(how == "gzip" || how == "members" ? "GZip" : "deflate")")
        let content = content(count)
        try await onHub { _ in
            for style in Style.allCases {
                let response = try await style.get(FetchClient(), url)
                #expect(response.body == content && response.headers[.acceptRanges] == "none")
                #expect(response.headers[.contentEncoding] == nil && response.headers[.contentLength] == nil)
                let stream = try await style.stream(FetchClient(), FetchRequest(url: url))
                var pieces: [UInt8] = []
                while let piece = try await style.read(stream) {
                    #expect(!piece.isEmpty && piece.count <= 256 * 1024)
                    pieces += piece
                }
                #expect(pieces == content)
            }
        }
    }

    @Test func `a coded body of zero bytes is an empty body`() async throws {
        let url = upstream.url("/coded?n=0&how=nothing")
        let body = try await onHub { _ in try await FetchClient().get(url).body }
        #expect(body.isEmpty)
    }

    @Test(arguments: ["cut", "damaged", "junk"], [10, 3_000_000])
    func `a body that does not match its coding is an error, in a stream too`(_ how: String, _ count: Int) async throws {
        let url = upstream.url("/coded?n=\(count)&how=\(how)")
        try await onHub { _ in
            for style in Style.allCases {
                let error = try await fetchError { try await style.get(FetchClient(), url) }
                #expect(error?.code == .transfer && error?.message.contains("coded") == true, "\(String(describing: error))")
                let streamed = try await fetchError {
                    let stream = try await style.stream(FetchClient(), FetchRequest(url: url))
                    while try await style.read(stream) != nil {}
                }
                #expect(streamed == error)
            }
        }
    }

    @Test(arguments: ["gzip, gzip", "gzip,gzip,gzip", "deflate, gzip", String(repeating: "gzip,", count: 500) + "gzip"])
    func `stacked codings are refused`(_ coding: String) async throws {
        let url = upstream.url("/bomb?n=1&coding=\(coding.replacing(" ", with: "%20"))")
        let error = try await onHub { _ in try await fetchError { try await FetchClient().get(url) } }
        #expect(error?.code == .transfer && error?.message.contains("codings") == true, "\(String(describing: error))")
    }

    /// libcurl knows them, and decodes them without a limit.
    @Test(arguments: ["br", "zstd", "compress", "nonsense"])
    func `a coding that was not requested is refused, and the error names the remedy`(_ coding: String) async throws {
        let url = upstream.url("/bomb?n=1&coding=\(coding)")
        var configuration = FetchConfiguration()
        configuration.decompresses = false
        let plain = FetchClient(configuration: configuration)
        let error = try await onHub { _ in
            let untouched = try await plain.get(url)
            #expect(untouched.headers[.contentEncoding] == coding)
            return try await fetchError { try await FetchClient().get(url) }
        }
        #expect(error?.code == .transfer && error?.message.contains("`\(coding)`") == true, "\(String(describing: error))")
        #expect(error?.message.contains("turn `decompresses` off") == true)
    }

    /// A stream's capacity is a multiple of some of these sizes. Then only the flush marker is left to decode.
    @Test(
        arguments: Style.allCases, [(4, 65_536), (5, 65_536), (8, 65_536), (16, 16_384), (5, 60_000), (1, 262_144), (3, 262_144)])
    func `a body flushed in blocks is decoded completely`(_ style: Style, _ blocks: (count: Int, size: Int)) async throws {
        let url = upstream.url("/flushed?n=\(blocks.count)&size=\(blocks.size)")
        try await onHub { _ in
            let stream = try await style.stream(FetchClient(), FetchRequest(url: url))
            var body: [UInt8] = []
            while let piece = try await style.read(stream) {
                body += piece
                try await sleep(for: .milliseconds(1))
            }
            #expect(body.count == blocks.count * blocks.size + 3900 && body.last == UInt8(ascii: "r"))
            let whole = try await style.get(FetchClient(), url).body
            #expect(whole == body)
        }
    }

    @Test(arguments: ["deflate", "deflate,deflate,deflate", "deflate, chunked"])
    func `a transfer coding that was not requested is refused`(_ coding: String) async throws {
        let url = upstream.url("/transfercoded?n=1000000&coding=\(coding.replacing(" ", with: "%20"))")
        var configuration = FetchConfiguration()
        for decompresses in [true, false] {
            configuration.decompresses = decompresses
            let client = FetchClient(configuration: configuration)
            let error = try await onHub { _ in try await fetchError { try await client.get(url) } }
            #expect(error?.code == .transfer && error?.message.contains("transfer coding") == true)
        }
    }

    @Test func `Accept-Encoding lists the codings that the client decodes, unless the caller sets it`() async throws {
        var ranged = FetchRequest(url: upstream.url("/echo"))
        ranged.headers[.range] = "bytes=0-9"
        var own = FetchRequest(url: upstream.url("/echo"))
        own.headers[.acceptEncoding] = "identity"
        try await onHub { [ranged, own] _ in
            let asked = try await FetchClient().get(upstream.url("/echo")).text
            #expect(asked.contains("Accept-Encoding: gzip, deflate\n"))
            let part = try await FetchClient().execute(ranged).text
            #expect(!part.contains("Accept-Encoding"))
            let chosen = try await FetchClient().execute(own).text
            #expect(chosen.contains("Accept-Encoding: identity\n"))
        }
    }
}
