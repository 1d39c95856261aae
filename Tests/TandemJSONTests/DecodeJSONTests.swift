import FoundationEssentials
import TandemHTTP
import TandemJSON
import Testing

private struct Order: Decodable {
    struct Item: Decodable {
        let price: Double
        var count: Int?
        var small: UInt8?
        var state: State?
        var level: Level?
        var float: Float?
    }
    enum State: String, Decodable, CaseIterable { case open, paid }
    enum Level: Int, Decodable { case low = 1, high }
    enum Shape: Decodable { case circle(radius: Double), square }
    let items: [Item]
    var flag: Bool?
    var name: String?
    var due: Date?
    var id: UUID?
    var link: URL?
    var data: Data?
    var amount: Decimal?
    var counts: [String: Int]?
    var numbered: [Int: Int]?
    var shape: Shape?
    var pair: Pair?
}

/// Two elements of an array, read by hand.
private struct Pair: Decodable {
    let first: Int
    let second: Int

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        first = try container.decode(Int.self)
        second = try container.decode(Int.self)
        guard first < second else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "SECRET of type Pair")
        }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct DecodeJSONTests {
    private func refusal<Value: Decodable>(_ text: String, as type: Value.Type = Order.self) -> String? {
        do {
            _ = try decodeJSON(Array(text.utf8), as: type)
            return nil
        } catch {
            return (error as? HTTPError)?.description ?? "\(error)"
        }
    }

    // MARK: Shape

    @Test(arguments: [
        (#"{"items":[{"price":1},{"price":2},{"price":"3"}]}"#, "items[2].price: expected a number, found a string"),
        (#"{"items":[{"price":null}]}"#, "items[0].price: expected a number, found null"),
        (#"{"items":[{}]}"#, "items[0].price is missing: expected a number"),
        (#"{}"#, "items is missing"),
        (#"{"items":{}}"#, "items: expected an array, found an object"),
        (#"{"items":[7]}"#, "items[0]: expected an object, found a number"),
        (#"[]"#, "the body: expected an object, found an array"),
        (#"null"#, "the body: expected an object, found null"),
        (#"{"items":[],"flag":1}"#, "flag: expected true or false, found a number"),
        (#"{"items":[],"name":true}"#, "name: expected a string, found true"),
        (#"{"items":[],"counts":{"a b":"x"}}"#, #"counts["a b"]: expected a whole number, found a string"#),
        (#"{"items":[],"counts":{"5":[]}}"#, #"counts["5"]: expected a whole number, found an array"#),
        (#"{"items":[],"numbered":{"5":[]}}"#, #"numbered["5"]: expected a whole number, found an array"#),
        (#"{"items":[],"numbered":{"x":1}}"#, "numbered.x: expected a whole number"),
        (#"{"items":[],"pair":[1]}"#, "pair[1] is missing: expected a whole number"),
        (#"{"items":[],"shape":{"circle":{"radius":"x"}}}"#, "shape.circle.radius: expected a number, found a string"),
        (#"{"items":[],"shape":{"oval":{}}}"#, "shape is not an accepted value"),
    ])
    func `an error names the field by its path`(text: String, message: String) {
        #expect(refusal(text) == "400: " + message)
    }

    @Test(arguments: [
        (#""count":1.5"#, "count: expected a whole number, found 1.5"),
        (
            #""count":99999999999999999999"#,
            "count: expected a whole number from \(Int.min) to \(Int.max), found 99999999999999999999"
        ),
        (#""count":1e30"#, "count: expected a whole number from \(Int.min) to \(Int.max), found 1e30"),
        (#""small":256"#, "small: expected a whole number from 0 to 255, found 256"),
        (#""small":-1"#, "small: expected a whole number from 0 to 255, found -1"),
        (#""small":"1""#, "small: expected a whole number from 0 to 255, found a string"),
        (#""price":1e400"#, "price: expected a number of at most 64 bits, found 1e400"),
        (#""float":1e39"#, "float: expected a number of at most 32 bits, found 1e39"),
        (#""state":"lost""#, #"state: expected one of open, paid, found "lost""#),
        (#""level":7"#, "level is not an accepted value"),
    ])
    func `an error about a value says which values are accepted`(member: String, message: String) {
        let price = member.hasPrefix("\"price") ? "" : #""price":1,"#
        #expect(refusal(#"{"items":[{\#(price)\#(member)}]}"#) == "400: items[0]." + message)
    }

    @Test(arguments: [
        (
            #""due":"2026-02-30T12:00:00Z""#,
            #"due: expected a date and time such as 2026-01-31T12:00:00Z, found "2026-02-30T12:00:00Z""#
        ),
        (#""due":7"#, "due: expected a date and time such as 2026-01-31T12:00:00Z, found a number"),
        (#""id":"x""#, #"id: expected a UUID, found "x""#),
        (#""link":"""#, #"link: expected a URL, found """#),
        (#""data":"?""#, #"data: expected base64 text, found "?""#),
        (#""amount":"1""#, "amount: expected a number, found a string"),
    ])
    func `an error about a date, a UUID, a URL or data says what is expected`(member: String, message: String) {
        #expect(refusal(#"{"items":[],\#(member)}"#) == "400: " + message)
    }

    @Test func `the text of an error that the value's own code throws is not shown`() {
        #expect(refusal(#"{"items":[],"pair":[2,1]}"#) == "400: pair[2] is not an accepted value")
    }

    @Test func `a value can choose its own sentence`() {
        struct Even: Decodable {
            init(from decoder: any Decoder) throws {
                guard try decoder.singleValueContainer().decode(Int.self).isMultiple(of: 2) else {
                    throw HTTPError(.unprocessableContent, "an even number, please")
                }
            }
        }
        #expect(refusal("[2,3]", as: [Even].self) == "422: an even number, please")
        #expect(refusal("[2,4]", as: [Even].self) == nil)
    }

    @Test func `no message has the name of a Swift type`() {
        let wrong = ["7", "\"x\"", "null", "[]", "{}", "true", "1e999"]
        let names = ["items", "flag", "name", "due", "id", "link", "data", "amount", "counts", "numbered", "shape", "pair"]
        for name in names {
            for value in wrong {
                guard let message = refusal("{\(name == "items" ? "" : "\"items\":[],")\"\(name)\":\(value)}") else { continue }
                for word in [
                    "Order", "Item", "Pair", "Shape", "Swift", "Int", "Double", "String", "Dictionary", "Array", "Coding",
                ] {
                    #expect(!message.contains(word), "\(message)")
                }
            }
        }
    }

    @Test func `long and odd names and values are shortened and escaped`() throws {
        let name = String(repeating: "n", count: 200) + "\\n"
        let message = try #require(refusal(#"{"\#(name)":"x"}"#, as: [String: Int].self))
        #expect(message == "400: [\"" + String(repeating: "n", count: 60) + "…\"]: expected a whole number, found a string")
        let digits = String(repeating: "9", count: 1_000)
        #expect(refusal("[\(digits)]", as: [UInt8].self)?.hasSuffix("found " + String(repeating: "9", count: 60) + "…") == true)
    }

    // MARK: Text

    @Test(arguments: [
        ("", "line 1, column 1: expected a value, found the end of the body"),
        (" \n\t ", "line 2, column 3: expected a value, found the end of the body"),
        ("{\"é\": 1,\r\n \"é☃\" 2}", "line 2, column 7: expected \":\""),
        ("{\"a\":1,}", "line 1, column 8: expected a name in double quotes"),
        ("{a:1}", "line 1, column 2: expected a name in double quotes"),
        ("[1 2]", "line 1, column 4: expected \",\" or \"]\""),
        ("{\"a\":1", "line 1, column 7: expected \",\" or \"}\", found the end of the body"),
        ("[1,]", "line 1, column 4: expected a value"),
        ("[1}", "line 1, column 3: expected \",\" or \"]\""),
        ("1 x", "line 1, column 3: expected the end of the text"),
        ("nul", "line 1, column 1: expected a value"),
        ("'a'", "line 1, column 1: expected a value"),
        ("NaN", "line 1, column 1: expected a value"),
        ("01", "line 1, column 1: a number must not begin with 0"),
        ("-", "line 1, column 2: expected a digit, found the end of the body"),
        ("1.e5", "line 1, column 3: expected a digit"),
        ("1e+", "line 1, column 4: expected a digit, found the end of the body"),
        ("\"a", "line 1, column 3: expected the end of a string, found the end of the body"),
        ("\"a\tb\"", "line 1, column 3: control characters in a string must be escaped"),
        ("\"\\x\"", "line 1, column 2: there is no such escape"),
        ("\"\\u12g4\"", "line 1, column 2: expected four hexadecimal digits after \"\\u\""),
        ("\"\\ud83e\"", "line 1, column 2: half of a surrogate pair is missing"),
        ("\"\\udc00\"", "line 1, column 2: half of a surrogate pair is missing"),
        ("\"\\ud83ex\"", "line 1, column 2: half of a surrogate pair is missing"),
        ("\"\\", "line 1, column 3: expected the end of a string, found the end of the body"),
        ("{\"a\":1,\n\"a\":2}", "line 2, column 1: this name comes twice in an object"),
        ("{\"a\":1,\"\\u0061\":2}", "line 1, column 8: this name comes twice in an object"),
        ("{\"a\":1,\"b\":[1,2,],\"c\":3}", "line 1, column 17: expected a value"),
        ("-1.5.5", "line 1, column 5: expected the end of the text"),
        ("// no\n1", "line 1, column 1: expected a value"),
    ])
    func `an error about the text says where`(text: String, message: String) {
        #expect(refusal(text, as: AnyJSON.self) == "400: the body is not valid JSON at " + message)
    }

    @Test func `a name that comes twice is found in large objects too`() {
        let members = (0..<1_000).map { "\"n\($0)\":\($0)" }.joined(separator: ",")
        #expect(refusal("{\(members)}", as: [String: Int].self) == nil)
        #expect(refusal("{\(members),\"n500\":1}", as: [String: Int].self)?.contains("comes twice") == true)
        #expect(refusal("[{\"a\":1},{\"a\":1}]", as: AnyJSON.self) == nil)
    }

    @Test func `text that is not UTF-8 is refused where it begins`() throws {
        for bytes: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x98]] {
            let error = try #require(throws: HTTPError.self) { try decodeJSON([34] + bytes + [34], as: String.self) }
            #expect(error.description == "400: the body is not valid JSON at line 1, column 2: these bytes are not UTF-8")
        }
        // UTF-16 with and without a byte order mark.
        #expect(throws: HTTPError.self) { try decodeJSON([0xFF, 0xFE, 0x31, 0x00], as: Int.self) }
        #expect(throws: HTTPError.self) { try decodeJSON([0x31, 0x00], as: Int.self) }
    }

    @Test func `a byte order mark is ignored`() throws {
        #expect(try decodeJSON(Array("\u{FEFF}[1]".utf8), as: [Int].self) == [1])
        #expect(refusal("[\u{FEFF}1]", as: [Int].self) != nil)
        #expect(refusal("\u{FEFF}", as: [Int].self) != nil)
    }

    @Test func `nesting beyond 64 levels is refused`() {
        for depth in [1, 63, 64] {
            let text = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            #expect(refusal(text, as: AnyJSON.self) == nil)
        }
        for text in [
            String(repeating: "[", count: 65) + String(repeating: "]", count: 65), String(repeating: "[", count: 1_000_000),
            String(repeating: "{\"a\":", count: 200_000),
        ] {
            #expect(refusal(text, as: AnyJSON.self)?.contains("nested more than 64 levels deep") == true)
        }
    }

    @Test func `huge numbers are read or refused, and take no time`() throws {
        let digits = String(repeating: "9", count: 1_000_000)
        #expect(
            refusal(digits, as: Double.self)?.hasPrefix("400: the body: expected a number of at most 64 bits, found 999") == true)
        #expect(refusal(digits, as: Int.self) != nil)
        #expect(refusal(digits, as: Decimal.self) != nil)
        #expect(try decodeJSON(Array(("0." + digits).utf8), as: Double.self) == 1)
        #expect(try decodeJSON(Array("1e-400".utf8), as: Double.self) == 0)
        #expect(refusal("1e999999999999999999", as: Double.self) != nil)
        #expect(refusal("1e999999999999999999", as: Int.self) != nil)
        #expect(refusal("1e999999999999999999", as: Decimal.self) != nil)
    }

    @Test func `long runs of combining marks are refused, so that no comparison of strings holds the hub`() throws {
        let marks = String(repeating: "\u{301}\u{316}", count: 64)
        #expect(try decodeJSON(Array("{\"\(marks)\":\"\(marks)\"}".utf8), as: [String: String].self) == [marks: marks])
        let long = String(repeating: marks, count: 4_096)
        for text in ["{\"a\":1,\"\(long)\":1}", "[\"\(long)\"]", "\"\(marks)\\u0301\""] {
            #expect(refusal(text, as: AnyJSON.self)?.contains("this string has more than 128 combining marks in a row") == true)
        }
    }

    @Test func `names are compared by their bytes`() throws {
        struct Temperature: Decodable {
            let kelvin: Int?
            private enum CodingKeys: String, CodingKey { case kelvin = "K" }
        }
        let few = "{\"\u{212A}\":1}"
        let many = "{" + (0..<20).map { "\"n\($0)\":0," }.joined() + "\"\u{212A}\":1}"
        for text in [few, many] { #expect(try decodeJSON(Array(text.utf8), as: Temperature.self).kelvin == nil) }
    }

    // MARK: Values

    @Test(arguments: [
        "0.99999999999999999999", "1.0000000000000000001", "127.0000000000000000001", "1e-400", "-1e-400", "9007199254740991.5",
        "15e-1", "0.5", "1e-1",
    ])
    func `numbers with a fraction are not whole, however small it is`(text: String) {
        #expect(refusal(text, as: Int.self) == "400: the body: expected a whole number, found \(text)")
        #expect(refusal(text, as: UInt64.self)?.hasPrefix("400: the body: expected a whole number") == true)
        #expect(refusal(text, as: Int8.self)?.hasPrefix("400: the body: expected a whole number") == true)
    }

    @Test func `whole numbers with a point or an exponent are exact`() throws {
        let text = "[9007199254740993.0,9223372036854775807.000,-9223372036854775808e0,92233720368547758070e-1,0.0,0e99,1200e-2]"
        #expect(
            try decodeJSON(Array(text.utf8), as: [Int].self)
                == [9_007_199_254_740_993, .max, .min, .max, 0, 0, 12])
        for text in ["9223372036854775808.0", "1e19", "-9223372036854775809.0"] {
            #expect(refusal(text, as: Int.self)?.contains("from \(Int.min) to \(Int.max)") == true)
        }
    }

    @Test func `a decimal number that needs more than 38 digits is refused`() throws {
        for text in [String(repeating: "9", count: 38), "0." + String(repeating: "1", count: 38), "10e40", "0.0", "-12.50"] {
            #expect(try decodeJSON(Array(text.utf8), as: Decimal.self) == Decimal(string: text))
        }
        for text in [String(repeating: "9", count: 39), "0." + String(repeating: "1", count: 39), "1e-400"] {
            #expect(refusal(text, as: Decimal.self)?.contains("a number that fits in 38 digits") == true)
        }
    }

    @Test func `whole numbers are read in any notation, and all of their range`() throws {
        let numbers = try decodeJSON(Array("[0,-0,1e2,100.0,-5E+1,9007199254740993,\(Int.min),\(Int.max)]".utf8), as: [Int].self)
        #expect(numbers == [0, 0, 100, 100, -50, 9_007_199_254_740_993, .min, .max])
        #expect(try decodeJSON(Array("\(UInt64.max)".utf8), as: UInt64.self) == .max)
        #expect(try decodeJSON(Array("\(Int128.max)".utf8), as: Int128.self) == .max)
        #expect(try decodeJSON(Array("\(UInt128.max)".utf8), as: UInt128.self) == .max)
        #expect(try decodeJSON(Array("[-128,127]".utf8), as: [Int8].self) == [-128, 127])
    }

    @Test func `numbers and strings are those of Swift`() throws {
        #expect(try decodeJSON(Array("[0.1,-1.5e-3,1E5]".utf8), as: [Double].self) == [0.1, -0.0015, 100_000])
        #expect(try decodeJSON(Array("[0.1]".utf8), as: [Float].self) == [0.1])
        #expect(try decodeJSON(Array("0.1".utf8), as: Decimal.self) == Decimal(string: "0.1"))
        let text = #"["\"\\\/\b\f\n\r\t\u00e9\u2603\ud83e\uddf5é☃🧵\u0000",""]"#
        #expect(try decodeJSON(Array(text.utf8), as: [String].self) == ["\"\\/\u{8}\u{C}\n\r\té☃🧵é☃🧵\0", ""])
    }

    @Test func `types with containers, superclasses and optional members are decoded`() throws {
        class Base: Decodable { let id: Int }
        final class Derived: Base {
            let name: String?
            enum CodingKeys: CodingKey { case name, nested, list, missing }
            required init(from decoder: any Decoder) throws {
                let container = try decoder.container(keyedBy: CodingKeys.self)
                name = try container.decodeIfPresent(String.self, forKey: .name)
                let nested = try container.nestedContainer(keyedBy: CodingKeys.self, forKey: .nested)
                #expect(try nested.decodeNil(forKey: .name))
                #expect(nested.contains(.name) && !nested.contains(.list))
                #expect(nested.allKeys == [.name])
                #expect(throws: DecodingError.self) { try nested.decodeNil(forKey: .list) }
                var list = try container.nestedUnkeyedContainer(forKey: .list)
                #expect(list.count == 4)
                #expect(try list.decodeNil())
                #expect(try list.nestedUnkeyedContainer().isAtEnd)
                #expect(try list.decodeIfPresent(Int.self) == 7)
                #expect(list.currentIndex == 3 && !list.isAtEnd)
                let last = try list.superDecoder()
                #expect(last.codingPath.map(\.stringValue) == ["list", "3"])
                #expect(list.isAtEnd)
                #expect(try list.decodeIfPresent(Int.self) == nil)
                try super.init(from: container.superDecoder())
            }
        }
        let text = #"{"super":{"id":7},"name":null,"nested":{"name":null},"list":[null,[],7,{}]}"#
        let derived = try decodeJSON(Array(text.utf8), as: Derived.self)
        #expect(derived.id == 7 && derived.name == nil)
        #expect(refusal(#"{"nested":{"name":null},"list":[null,[],7,{}]}"#, as: Derived.self) == "400: super is missing")
    }

    @Test func `members that the type does not have are ignored, also in objects with many members`() throws {
        struct Wide: Decodable { let n3, n19: Int; let other: Int? }
        let members = (0..<20).map { "\"n\($0)\":\($0)" }.joined(separator: ",")
        let wide = try decodeJSON(Array("{\(members)}".utf8), as: Wide.self)
        #expect(wide.n3 == 3 && wide.n19 == 19 && wide.other == nil)
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `mutated texts never crash, and JSON is read as Foundation reads it`(seed: UInt64) throws {
        var generator = JSONGenerator(state: seed)
        for _ in 0..<500 {
            let value = generator.value(depth: 5)
            let text = try encodeJSON(value)
            #expect(try decodeJSON(text, as: AnyJSON.self) == value)
            let bytes = generator.mutated(text)
            // Foundation also takes text that is not JSON ("[1,]"), and refuses numbers that are nearly 0.
            if let own = try? decodeJSON(bytes, as: AnyJSON.self),
                let theirs = try? JSONDecoder().decode(AnyJSON.self, from: Data(bytes))
            {
                #expect(own == theirs, "\(String(decoding: bytes, as: UTF8.self))")
            }
            _ = try? decodeJSON(bytes, as: Order.self)
            _ = try? decodeJSON(bytes, as: [String: Date].self)
        }
    }
}
