import FoundationEssentials
import TandemJSON
import Testing

@Suite struct DateTests {
    private func decoded(_ text: String) -> Double? {
        try? decodeJSON(Array("\"\(text)\"".utf8), as: Date.self).timeIntervalSince1970
    }

    private func encoded(_ seconds: Double) throws -> String {
        String(decoding: try encodeJSON(Date(timeIntervalSince1970: seconds)), as: UTF8.self)
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-01-31T12:00:00Z", 1_769_860_800), ("2026-01-31t12:00:00z", 1_769_860_800),
            ("2026-01-31T12:00:00.5Z", 1_769_860_800.5),
            ("2026-01-31T12:00:00.123456789012345678901234567890Z", 1_769_860_800.1234567),
            ("2026-01-31T14:00:00+02:00", 1_769_860_800), ("2026-01-31T06:30:00-05:30", 1_769_860_800),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("2000-02-29T00:00:00Z", 951_782_400), ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("0000-01-01T00:00:00Z", -62_167_219_200),
            ("9999-12-31T23:59:59Z", 253_402_300_799), ("1969-12-31T23:59:59.25-00:00", -0.75),
        ] as [(String, Double)])
    func `dates of RFC 3339 are read`(text: String, seconds: Double) throws {
        #expect(abs(try #require(decoded(text)) - seconds) < 0.000_001)
    }

    @Test(arguments: [
        "", "2026", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-01-31T12:00Z", "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
        "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+0200", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+02", "2026-01-01T00:00:00Zx",
        "2026-1-01T00:00:00Z", "-026-01-01T00:00:00Z", "+2026-01-01T00:00:00Z", "12026-01-01T00:00:00Z", "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59.9999Z", "0000-01-01T00:00:00+23:59", "２026-01-01T00:00:00Z",
    ])
    func `other texts and dates that do not exist are refused`(text: String) { #expect(decoded(text) == nil) }

    @Test func `dates are written in UTC, with milliseconds unless these are 0`() throws {
        #expect(try encoded(0) == "\"1970-01-01T00:00:00Z\"")
        #expect(try encoded(1_769_860_800) == "\"2026-01-31T12:00:00Z\"")
        #expect(try encoded(1_769_860_800.05) == "\"2026-01-31T12:00:00.050Z\"")
        #expect(try encoded(1_769_860_799.999_9) == "\"2026-01-31T12:00:00Z\"")
        #expect(try encoded(-0.001) == "\"1969-12-31T23:59:59.999Z\"")
        #expect(try encoded(-62_167_219_200) == "\"0000-01-01T00:00:00Z\"")
        for seconds in [253_402_300_800, -62_167_219_201, Double.infinity, .nan, 1e300] {
            #expect(throws: EncodingError.self) { try encoded(seconds) }
        }
    }

    @Test func `every date that is written is read back`() throws {
        var generator = JSONGenerator(state: 7)
        for _ in 0..<5_000 {
            let milliseconds = Int.random(in: -62_167_219_200_000...253_402_300_799_999, using: &generator)
            let date = Date(timeIntervalSince1970: Double(milliseconds) / 1_000)
            let back = try decodeJSON(try encodeJSON(date), as: Date.self)
            #expect(abs(back.timeIntervalSince(date)) < 0.000_1)
        }
    }
}
