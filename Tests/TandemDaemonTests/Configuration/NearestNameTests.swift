import Testing

@testable import TandemDaemon

@Suite struct NearestNameTests {
    @Test(arguments: [("", "", 0), ("a", "", 1), ("port", "prot", 2), ("port", "ports", 1), ("kitten", "sitting", 3)])
    func `the distance counts edits`(a: String, b: String, distance: Int) {
        #expect(editDistance(a, b) == distance)
        #expect(editDistance(b, a) == distance)
    }

    @Test func `only a similar name is suggested`() {
        #expect(suggestion(for: "http.prt", among: ["http.port", "http.host"]) == "; did you mean http.port?")
        #expect(suggestion(for: "database.url", among: ["http.port", "http.host"]) == "")
    }
}
