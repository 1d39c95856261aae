import Foundation
import Testing

@testable import TandemDaemon

@Suite struct JSONTests {
    @Test func `values are written in order`() {
        let value: JSON = ["b": 1, "a": .array([nil, .boolean(true), .boolean(false), "x", .number(1.5), .array([])]), "c": [:]]
        #expect(value.text == #"{"b":1,"a":[null,true,false,"x",1.5,[]],"c":{}}"#)
    }

    @Test func `strings are escaped`() {
        #expect(JSON.string("\"\\/\u{8}\t\n\u{C}\r\u{0}\u{1F}\u{7F}é😀").text == #""\"\\/\b\t\n\f\r\u0000\u001f\u007fé😀""#)
    }

    @Test func `another parser reads every scalar below 1000 correctly`() throws {
        let text = String(String.UnicodeScalarView((0..<1_000).compactMap(Unicode.Scalar.init)))
        let read = try JSONSerialization.jsonObject(with: Data(JSON.array([.string(text)]).bytes)) as? [String]
        #expect(read == [text])
    }

    @Test(arguments: [0, -0.0, 1e-7, 1e300, 0.1, 12.345])
    func `another parser reads numbers unchanged`(number: Double) throws {
        let read = try JSONSerialization.jsonObject(with: Data(JSON.array([.number(number)]).bytes)) as? [Double]
        #expect(read == [number])
    }

    @Test func `NaN and infinity are written as null`() {
        #expect(JSON.array([.number(.nan), .number(.infinity)]).text == "[null,null]")
    }
}
