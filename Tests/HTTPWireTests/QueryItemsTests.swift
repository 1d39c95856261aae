import HTTPWire
import Testing

@Suite("Query items")
struct QueryItemsTests {
    @Test(
        "names and values are split, then decoded",
        arguments: [
            ("", []),
            ("a=b", ["a", "b"]),
            ("a=b&c=d", ["a", "b", "c", "d"]),
            ("a", ["a", ""]),
            ("a=", ["a", ""]),
            ("=b", ["", "b"]),
            ("a=b=c", ["a", "b=c"]),
            ("&&a=1&&", ["a", "1"]),
            ("a%3Db=c%26d", ["a=b", "c&d"]),
            ("a+b=%2B+%20", ["a b", "+  "]),
            ("url=http://a/?b=c", ["url", "http://a/?b=c"]),
            ("é=%C3%A9", ["é", "é"]),
            ("a;b=1", ["a;b", "1"]),
        ])
    func items(query: String, items: [String]) throws {
        let parsed = try #require(QueryItems(query))
        #expect(parsed.flatMap { [$0.name, $0.value] } == items)
        #expect(parsed.count == items.count / 2)
    }

    @Test("what does not decode is refused", arguments: ["a=%", "%4=b", "a=%FF", "a=1&b=%00"])
    func refused(query: String) {
        #expect(QueryItems(query) == nil)
    }

    @Test("items are found by name, the first or all of them")
    func lookUp() throws {
        let items = try #require(QueryItems("url=a&x=1&url=b"))
        #expect(items["url"] == "a")
        #expect(items["X"] == nil)
        #expect(items.values(of: "url") == ["a", "b"])
        #expect(items.values(of: "y") == [])
        #expect(items[1] == QueryItem(name: "x", value: "1"))
    }
}
