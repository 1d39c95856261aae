import TandemHTTP
import Testing

private enum SortOrder: String, CaseIterable, ParameterValue { case newest, oldest }
private enum Unit: String, CaseIterable, ParameterValue { case kelvin = "K", celsius = "C" }
private enum Level: Int, CaseIterable, ParameterValue { case low = 1, high = 5 }

private struct CountryCode: ParameterValue, Equatable {
    static var expectation: String { "a country code of two letters" }
    let letters: String

    init?(parameter text: String) {
        guard text.count == 2, text.allSatisfy({ $0.isASCII && $0.isLetter }) else { return nil }
        letters = text.uppercased()
    }
}

@Suite struct ParametersTests {
    private func query(_ text: String) throws -> QueryItems { try Request(path: "/?\(text)").query }

    /// The message of the error that `body` throws, with its status in front.
    private func refusal(_ body: () throws -> Void) -> String? {
        do { try body() } catch { return (error as? HTTPError)?.description ?? "\(error)" }
        return nil
    }

    @Test func `a query's values are read as their types`() throws {
        let query = try query("n=-7&d=1.5e3&b=true&s=a+b&sort=oldest&level=5&country=de&e=")
        #expect(try query.value("n", as: Int.self) == -7)
        #expect(try query.value("n", as: Int8.self) == -7)
        #expect(try query.value("d", as: Double.self) == 1_500)
        #expect(try query.value("b", as: Bool.self))
        #expect(try query.value("s", as: String.self) == "a b")
        #expect(try query.value("e", as: String.self) == "")
        #expect(try query.value("sort", as: SortOrder.self) == .oldest)
        #expect(try query.value("level", as: Level.self) == .high)
        #expect(try query.value("country", as: CountryCode.self).letters == "DE")
        let inferred: UInt16 = try query.value("level", in: 1...9)
        #expect(inferred == 5)
    }

    @Test func `a missing value is an error, nil, or the default`() throws {
        let query = try query("a=1")
        #expect(refusal { _ = try query.value("n", as: Int.self) } == "400: n is missing: expected a whole number")
        #expect(
            refusal { _ = try query.value("n", as: Int.self, in: 0...600_000) }
                == "400: n is missing: expected a whole number from 0 to 600000")
        #expect(
            refusal { _ = try query.value("sort", as: SortOrder.self) } == "400: sort is missing: expected one of newest, oldest")
        #expect(try query.valueIfPresent("n", as: Int.self) == nil)
        #expect(try query.valueIfPresent("n", as: Int.self, in: 1...9) ?? 4 == 4)
        #expect(try query.valueIfPresent("a", as: Int.self, in: 1...9) ?? 4 == 1)
    }

    @Test(arguments: ["", "x", "1x", " 1", "1 ", "+1", "01", "-01", "-0", "-", "0x1", "1.0", "1e2", "٣", "9223372036854775808"])
    func `a whole number is decimal digits and nothing else`(text: String) throws {
        let items = QueryItems("n=" + text.replacing("+", with: "%2B").replacing(" ", with: "%20"))!
        #expect(
            refusal { _ = try items.value("n", as: Int.self) } == "400: n: expected a whole number, found \"\(text)\"")
    }

    @Test(arguments: ["", "x", "nan", "inf", "-Infinity", "0x1p3", "1.", ".5", "+1", "01", "1e", "1e400", "1 "])
    func `a number is one of JSON`(text: String) throws {
        #expect(Double(parameter: text) == nil)
        #expect(Float(parameter: text) == nil)
    }

    @Test func `numbers are accepted in all notations of JSON`() {
        #expect(Double(parameter: "0") == 0)
        #expect(Double(parameter: "-0.25") == -0.25)
        #expect(Double(parameter: "10E-1") == 1)
        #expect(Float(parameter: "1e+2") == 100)
        #expect(Float(parameter: "1e39") == nil)
        #expect(Int.min == Int(parameter: String(Int.min)))
        #expect(UInt64.max == UInt64(parameter: String(UInt64.max)))
        #expect(UInt(parameter: "-1") == nil)
    }

    @Test func `an error says what was expected and found`() throws {
        let query = try query("n=601&u=256&b=yes&s=best&l=2&c=deu")
        #expect(
            refusal { _ = try query.value("n", as: Int.self, in: 0...600) }
                == "400: n: expected a whole number from 0 to 600, found \"601\"")
        #expect(
            refusal { _ = try query.value("u", as: UInt8.self) } == "400: u: expected a whole number from 0 to 255, found \"256\""
        )
        #expect(
            refusal { _ = try query.value("u", as: UInt8.self, in: 1...5) }
                == "400: u: expected a whole number from 1 to 5, found \"256\"")
        #expect(refusal { _ = try query.value("b", as: Bool.self) } == "400: b: expected true or false, found \"yes\"")
        #expect(
            refusal { _ = try QueryItems("u=%E2%84%AA")!.value("u", as: Unit.self) }
                == "400: u: expected one of K, C, found \"\u{212A}\"", "the Kelvin sign is not the letter")
        #expect(
            refusal { _ = try query.value("s", as: SortOrder.self) } == "400: s: expected one of newest, oldest, found \"best\"")
        #expect(refusal { _ = try query.value("l", as: Level.self) } == "400: l: expected one of 1, 5, found \"2\"")
        #expect(
            refusal { _ = try query.valueIfPresent("c", as: CountryCode.self) }
                == "400: c: expected a country code of two letters, found \"deu\"")
        #expect(
            refusal { _ = try query.value("n", as: Double.self, in: 0...1) }
                == "400: n: expected a number from 0.0 to 1.0, found \"601\"")
    }

    @Test func `a value that comes twice is refused`() throws {
        let query = try query("n=1&n=1&m=2")
        #expect(refusal { _ = try query.value("n", as: Int.self) } == "400: n: expected one value, found 2")
        #expect(refusal { _ = try query.valueIfPresent("n", as: String.self) } == "400: n: expected one value, found 2")
    }

    @Test func `several values are read in order, as many as are allowed`() throws {
        let query = try query("n=3&m=x&n=1&n=2")
        #expect(try query.values("n", as: Int.self) == [3, 1, 2])
        #expect(try query.values("n", as: Int.self, in: 1...3, count: 1...3) == [3, 1, 2])
        #expect(try query.values("z", as: Int.self).isEmpty)
        #expect(refusal { _ = try query.values("z", as: Int.self, count: 1...2) } == "400: z is missing: expected a whole number")
        #expect(
            refusal { _ = try query.values("n", as: Int.self, count: 0...2) } == "400: n: expected at most 2 values, found 3")
        #expect(
            refusal { _ = try query.values("n", as: Int.self, count: 0...1) } == "400: n: expected at most 1 value, found 3")
        #expect(
            refusal { _ = try query.values("n", as: Int.self, count: 4...9) } == "400: n: expected at least 4 values, found 3")
        #expect(
            refusal { _ = try query.values("n", as: Int.self, in: 1...2) }
                == "400: n: expected a whole number from 1 to 2, found \"3\"")
    }

    @Test func `a path value that is not as expected is 404`() throws {
        let request = Request(path: "/orders/x", parameters: ["id": "x", "n": "7"])
        #expect(try request.parameters.value("n", as: Int.self) == 7)
        #expect(try request.parameters.value("id", as: String.self) == "x")
        #expect(
            refusal { _ = try request.parameters.value("id", as: Int.self) } == "404: id: expected a whole number, found \"x\"")
        #expect(
            refusal { _ = try request.parameters.value("n", as: Int.self, in: 1...5) }
                == "404: n: expected a whole number from 1 to 5, found \"7\"")
        #expect(
            refusal { _ = try request.parameters.value("name", as: Int.self) }
                == "500: the path of this route has no segment {name}")
    }

    @Test func `a value in an error is shortened, and its control characters are escaped`() throws {
        let long = try query("n=" + String(repeating: "x", count: 100))
        let expected = "400: n: expected a whole number, found \"" + String(repeating: "x", count: 60) + "…\""
        #expect(refusal { _ = try long.value("n", as: Int.self) } == expected)
        let odd = try query("n=%22%5C%0D%0A%1B%E2%80%AE%E2%80%A8%C2%85")
        #expect(
            refusal { _ = try odd.value("n", as: Int.self) }
                == #"400: n: expected a whole number, found "\"\\\u{D}\u{A}\u{1B}\u{202E}\u{2028}\u{85}""#)
    }

    @Test func `a query that does not decode is 400`() {
        #expect(refusal { _ = try Request(path: "/?n=%FF").query.value("n", as: String.self) }?.hasPrefix("400: ") == true)
    }
}
