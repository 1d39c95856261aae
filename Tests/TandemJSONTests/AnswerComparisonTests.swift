import TandemHTTP
import Testing

@testable import TandemJSON

@Suite struct AnswerComparisonTests {
    private func differences(_ old: String, _ new: String, _ comparison: AnswerComparison = .json) -> [String] {
        comparison.bodies.compare(Array(old.utf8), Array(new.utf8)).differences.map { "\($0.part.name) \($0.kind.rawValue)" }
    }

    @Test(arguments: [
        (#"{"a":1,"b":2}"#, #" {"b": 2.0, "a": 1} "#), (#"["é"]"#, #"["\u00e9"]"#), ("100", "1e2"), ("null", " null"),
        (#"{"a":{"b":[{}]}}"#, #"{"a" : {"b" : [ {} ] } }"#),
    ])
    func `equal values do not differ`(old: String, new: String) { #expect(differences(old, new) == []) }

    @Test(
        arguments: [
            (#"{"a":1}"#, #"{"a":2}"#, ["/a value"]), (#"{"a":1}"#, #"{"a":"1"}"#, ["/a type"]),
            (#"{"a":1}"#, #"{"b":1}"#, ["/a missing", "/b extra"]), ("[1,2]", "[1,2,3]", ["/ size"]),
            (#"{"items":[{"p":1},{"p":2}]}"#, #"{"items":[{"p":9},{"p":8}]}"#, ["/items/*/p value"]),
            (#"{"a/b":{"c~d":true}}"#, #"{"a/b":{"c~d":false}}"#, ["/a~1b/c~0d value"]), ("1", "2", ["/ value"]),
            ("9007199254740993", "9007199254740992", ["/ value"]), (#"{"a":[]}"#, #"{"a":{}}"#, ["/a type"]),
            ("not JSON", "other text", [" size"]), (#"{"a":1}"#, "not JSON", [" size"]), (#"{"a":null}"#, "{}", ["/a missing"]),
        ] as [(String, String, [String])])
    func `each difference is named by its place and kind`(old: String, new: String, expected: [String]) {
        #expect(differences(old, new) == expected)
    }

    @Test
    func `ignored values are counted with their reason, and all else is compared`() throws {
        let comparison = AnswerComparison.json.json(ignoring: "/at", "/items/*/id", because: "random")
            .json(ignoring: "/users/*/seen", because: "clock")
        let old = #"{"at":1,"items":[{"id":1,"p":1},{"id":2,"p":2}],"users":{"ada":{"seen":{"x":1}}},"c":1}"#
        let new = #"{"at":2,"items":[{"id":3,"p":1},{"id":4,"p":3}],"users":{"ada":{"seen":{"x":2}}},"c":1}"#
        let result = comparison.bodies.compare(Array(old.utf8), Array(new.utf8))
        #expect(result.differences.map(\.part.name) == ["/items/*/p"])
        #expect(result.differences.first?.shape == "number, number")
        #expect(result.differences.first?.excerpt == "2 → 3")
        #expect(result.ignored[.init(.init(.body, "/items/*/id"), because: "random")] == 2)
        #expect(result.ignored[.init(.init(.body, "/at"), because: "random")] == 1)
        #expect(result.ignored[.init(.init(.body, "/users/*/seen"), because: "clock")] == 1)
    }

    @Test
    func `shapes have nothing of the values`() {
        let result = AnswerComparison.json.bodies.compare(
            Array(#"{"name":"Ada Lovelace"}"#.utf8), Array(#"{"name":"secret"}"#.utf8))
        #expect(result.differences.first?.shape == "string of 12 bytes, string of 6 bytes")
    }

    @Test
    func `a path that is no JSON Pointer is a mistake in the program`() async {
        await #expect(processExitsWith: .failure) { _ = AnswerComparison.json.json(ignoring: "at", because: "no pointer") }
    }
}
