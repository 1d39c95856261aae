import FoundationEssentials
import TandemHTTP
import TandemJSON
import Testing

@Suite struct ResponseJSONTests {
    private struct Value: Encodable {
        var zebra = 1
        var apple = "a/b \"é\" \u{1}\u{2028}"
        var date = Date(timeIntervalSince1970: 0)
        var data = Data([1, 2, 3])
        var none: Int?
        var list = [1.5, -0.25]
    }

    private func text(_ response: Response) async throws -> String {
        String(decoding: try await response.collectBody(), as: UTF8.self)
    }

    @Test func `a value is written as JSON with sorted names`() async throws {
        let response = try Response(json: Value())
        #expect(response.status == .ok)
        #expect(response.headers[.contentType] == "application/json")
        #expect(
            try await text(response)
                == "{\"apple\":\"a/b \\\"é\\\" \\u0001\u{2028}\",\"data\":\"AQID\",\"date\":\"1970-01-01T00:00:00Z\","
                + "\"list\":[1.5,-0.25],\"zebra\":1}")
    }

    @Test func `status and fields can be given, and another Content-Type replaces the usual one`() throws {
        let headers: HTTPFields = [.contentType: "application/problem+json", .cacheControl: "no-store"]
        let response = try Response(status: .conflict, headers: headers, json: ["title": "taken"])
        #expect(response.status == .conflict)
        #expect(response.headers == headers)
        let other = try Response(headers: [.cacheControl: "no-store"], json: [1])
        #expect(other.headers == [.contentType: "application/json", .cacheControl: "no-store"])
    }

    @Test func `bytes and strings are values like others`() async throws {
        #expect(try await text(Response(json: [1, 2] as [UInt8])) == "[1,2]")
        #expect(try await text(Response(json: "a\"b")) == #""a\"b""#)
        #expect(try await text(Response(json: nil as Int?)) == "null")
        #expect(try await text(Response(jsonBytes: Array("[1]".utf8))) == "[1]")
        #expect(try await text(Response(jsonText: "[1]")) == "[1]")
    }

    @Test func `numbers that JSON does not have are an error`() {
        for number in [Double.nan, .infinity, -.infinity] {
            #expect(throws: EncodingError.self) { try Response(json: [number]) }
        }
    }
}
