import HTTPTypes

extension HTTPField.Name {
    static let keepAlive = HTTPField.Name("Keep-Alive")!
    static let requestID = HTTPField.Name("X-Request-Id")!
    // Fields of handlers in these tests.
    static let marks = HTTPField.Name("X-Marks")!
    static let mine = HTTPField.Name("X-Mine")!
    static let places = HTTPField.Name("X-Places")!
    static let trace = HTTPField.Name("X-Trace")!
}
