import Foundation
import Testing

@testable import TandemDaemon

@Suite struct JSONTests {
    @Test func `values are written in order`() {
        let value: JSON = ["b": 1, "a": .array(["x", -7, .array([])]), "c": [:]]
        #expect(value.text == #"{"b":1,"a":["x",-7,[]],"c":{}}"#)
    }

    @Test func `strings are escaped`() {
        #expect(
            JSON.string("\"\\/\u{8}\t\n\r\u{0}\u{7F}\u{9B}\u{202E}é😀").text
                == #""\"\\/\u0008\t\n\r\u0000\u007f\u009b\u202eé😀""#)
    }

    @Test func `another parser reads every scalar below 1000 correctly`() throws {
        let text = String(String.UnicodeScalarView((0..<1_000).compactMap(Unicode.Scalar.init)))
        let read = try JSONSerialization.jsonObject(with: Data(JSON.array([.string(text)]).bytes)) as? [String]
        #expect(read == [text])
    }
}
