import Testing

@testable import TandemHTTP
@testable import TandemService

@Suite struct AccessLogLineTests {
    private func line(_ change: (inout AccessLogEntry) -> Void = { _ in }) -> String {
        var entry = AccessLogEntry(
            method: .get, target: "/blocking/sleep?ms=5", route: "/blocking/sleep", style: .blocking, hub: 1, status: 200,
            bytes: 118,
            duration: .microseconds(5_214), remoteAddress: "127.0.0.1:51110", outcome: .completed)
        change(&entry)
        var bytes: [UInt8] = []
        AccessLogLine.append(entry, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func aRequestIsALine() {
        #expect(line() == "blocking hub=1 GET /blocking/sleep?ms=5 200 118B 5.214ms 127.0.0.1:51110 completed\n")
    }

    @Test func aHeadThatCouldNotBeParsedHasNoMethodAndNoTarget() {
        let found = line {
            $0.method = nil
            $0.target = nil
            $0.style = .none
            $0.duration = .zero
        }
        #expect(found == "none hub=1 - - 200 118B 0.000ms 127.0.0.1:51110 completed\n")
    }

    @Test func aTargetCannotForgeALineOrAField() {
        let found = line { $0.target = "/a\r\nasync hub=0 GET /b\u{1B}[31m \"é\\" }
        #expect(found.contains(#"/a\x0d\x0aasync\x20hub=0\x20GET\x20/b\x1b[31m\x20\x22\xc3\xa9\x5c"#))
        #expect(found.filter(\.isNewline).count == 1)
        #expect(found.split(separator: " ").count == 9)
    }

    @Test func aLongTargetIsCut() {
        let found = line { $0.target = "/" + String(repeating: "a", count: 5_000) }
        #expect(found.utf8.count < 1_200)
        #expect(found.contains("aaa... 200 "))
    }
}
