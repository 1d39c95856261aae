import HTTPWire
import Testing

struct QueryItemsTests {
    @Test(arguments: [
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
    func `names and values are split before they are decoded`(query: String, items: [String]) throws {
        let parsed = try #require(QueryItems(query))
        #expect(parsed.flatMap { [$0.name, $0.value] } == items)
        #expect(parsed.count == items.count / 2)
    }

    @Test(arguments: ["a=%", "%4=b", "a=%FF", "a=1&b=%00"])
    func `a query that cannot be decoded is refused`(query: String) {
        #expect(QueryItems(query) == nil)
    }

    @Test func `lookup by name returns the first item or all of them`() throws {
        let items = try #require(QueryItems("url=a&x=1&url=b"))
        #expect(items["url"] == "a")
        #expect(items["X"] == nil)
        #expect(items.values(of: "url") == ["a", "b"])
        #expect(items.values(of: "y") == [])
        // U+212A, the Kelvin sign, is canonically equivalent to K.
        let kelvin = try #require(QueryItems("%E2%84%AA=1"))
        #expect(kelvin["K"] == nil && kelvin.values(of: "K") == [] && kelvin["\u{212A}"] == "1")
        #expect(items[1] == QueryItem(name: "x", value: "1"))
    }
}
