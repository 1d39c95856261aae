internal import TandemHTTP

/// The query of a request, read strictly: what is not exactly as expected is answered 400 with a sentence that says so.
struct Parameters {
    private let items: QueryItems

    /// Throws 400 when the query does not decode.
    init(_ request: Request) throws(HTTPError) { items = try request.query }

    /// A query by itself, for tests.
    init(_ items: QueryItems) { self.items = items }

    /// Whether the parameter is there at all.
    func has(_ name: String) -> Bool { items[name] != nil }

    /// The only value of that name, a whole number in decimal digits.
    func number(_ name: String, in range: ClosedRange<Int>) throws(HTTPError) -> Int {
        // Only an error needs the sentence.
        func expected() -> String { "a whole number from \(range.lowerBound) to \(range.upperBound)" }
        let text = try single(name, expected())
        guard let number = wholeNumber(text), range.contains(number) else {
            throw HTTPError(.badRequest, "the parameter \(name) must be \(expected()), not \(quoted(text))")
        }
        return number
    }

    /// The only value of that name, a duration in milliseconds.
    func milliseconds(_ name: String) throws(HTTPError) -> Duration {
        .milliseconds(try number(name, in: 0...600_000))
    }

    /// The only value of that name.
    func single(_ name: String, _ expected: @autoclosure () -> String) throws(HTTPError) -> String {
        guard let value = items[name] else { throw missing(name, expected()) }
        let count = items.count { $0.name == name }
        guard count == 1 else { throw surplus(name, count, most: 1) }
        return value
    }

    /// The values of that name, as many as `count` allows.
    func several(
        _ name: String, _ count: ClosedRange<Int>, _ expected: @autoclosure () -> String
    ) throws(HTTPError) -> [String] {
        let values = items.values(of: name)
        guard !values.isEmpty else { throw missing(name, expected()) }
        guard values.count <= count.upperBound else { throw surplus(name, values.count, most: count.upperBound) }
        return values
    }

    private func missing(_ name: String, _ expected: String) -> HTTPError {
        HTTPError(.badRequest, "the parameter \(name) is missing: expected \(expected)")
    }

    private func surplus(_ name: String, _ count: Int, most: Int) -> HTTPError {
        let expected = most == 1 ? "once" : "\(most) times"
        return HTTPError(
            .badRequest, "the parameter \(name) stands \(count) times in the query: expected it at most \(expected)")
    }
}
