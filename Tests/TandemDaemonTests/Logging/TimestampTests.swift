import Testing

@testable import TandemDaemon

@Suite struct TimestampTests {
    @Test func `timestamps are in UTC with milliseconds`() {
        var stamp = Timestamp()
        func text(_ second: Int, _ milliseconds: Int) -> String {
            var line: [UInt8] = []
            stamp.append(second: second, milliseconds: milliseconds, to: &line)
            return String(decoding: line, as: UTF8.self)
        }
        #expect(text(0, 0) == "1970-01-01T00:00:00.000Z")
        #expect(text(951_782_399, 7) == "2000-02-28T23:59:59.007Z")
        #expect(text(951_782_400, 70) == "2000-02-29T00:00:00.070Z")
        #expect(text(951_782_400, 999) == "2000-02-29T00:00:00.999Z")
        #expect(text(1_795_640_751, 123) == "2026-11-25T21:05:51.123Z")
        #expect(text(-1, 1) == "1969-12-31T23:59:59.001Z")
    }
}
