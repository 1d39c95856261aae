import Testing

@testable import HTTPWire

struct SpanScanningTests {
    @Test func `the first control byte is found at every place, next to every byte`() {
        for length in 0...20 {
            for place in 0..<max(length, 1) where length > 0 {
                for control: UInt8 in [0, 1, 9, 10, 13, 0x1F, 0x7F] {
                    for filler: UInt8 in [0x20, 0x21, 0x7E, 0x80, 0x9F, 0xFF] {
                        var bytes = [UInt8](repeating: filler, count: length)
                        bytes[place] = control
                        #expect(bytes.span.firstControl(from: 0, to: length) == place)
                        #expect(bytes.span.firstControl(from: 0, to: place) == place)
                        #expect(bytes.span.firstControl(from: place + 1, to: length) == length)
                    }
                }
            }
        }
    }

    @Test func `a byte's class does not depend on its place in a word`() {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<8 {
                var bytes = [UInt8](repeating: 0x41, count: 8)
                bytes[place] = byte
                let isControl = byte < 0x20 || byte == 0x7F
                #expect(bytes.span.firstControl(from: 0, to: 8) == (isControl ? place : 8), "\(byte)")
            }
        }
    }

    @Test func `list elements are trimmed, and empty ones are kept`() {
        for (text, expected) in [
            ("", [""]), ("a", ["a"]), (" a ,\tb", ["a", "b"]), (",", ["", ""]), ("a,,b ", ["a", "", "b"]),
        ] {
            var elements: [String] = []
            text.utf8.span.forEachListElement { elements.append($0.text) }
            #expect(elements == expected)
        }
    }

    @Test func `tokens are compared without regard to case`() {
        func equal(_ text: String, _ other: StaticString) -> Bool { text.utf8.span.equalsIgnoringCase(other) }
        #expect(equal("Keep-ALIVE", "keep-alive"))
        #expect(!equal("keep_alive", "keep-alive"))
        #expect(!equal("keep-aliv", "keep-alive"))
        #expect(!equal("a^", "a~"))
        #expect(!equal("a_", "a\u{7F}"))
        #expect(equal("A_", "a_"))
        #expect(equal("", ""))
    }
}
