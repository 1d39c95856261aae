internal import TandemHTTP
internal import TandemJSON

/// `plaintext` and `json` send constant responses, which are created once.
struct Fixed {
    private static let plaintext = Response(text: "Hello, World!")
    private static let json = makeJSON()

    func addRoutes(to router: Router) {
        router.get("/blocking/plaintext") { _ in Self.plaintext }
        router.get("/async/plaintext") { _ async in Self.plaintext }

        router.get("/blocking/json") { _ in Self.json }
        router.get("/async/json") { _ async in Self.json }
    }

    private static func makeJSON() -> Response {
        struct Greeting: Encodable { let message = "Hello, World!" }
        do {
            return try Response(json: Greeting())
        } catch {
            fatalError("a constant does not encode: \(error)")
        }
    }
}
