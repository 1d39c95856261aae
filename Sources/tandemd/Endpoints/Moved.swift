internal import Tandem
internal import TandemHTTP
internal import TandemJSON

/// `/moved/…` are routes with a blocking and an async handler, of which the key `migrate.routes` selects one. By default the
/// blocking one answers.
struct Moved {
    private static let plaintext = Response(text: "Hello, World!")

    func addRoutes(to router: Router) {
        router.migrate(
            .get, "/moved/plaintext",
            from: { _ in Self.plaintext },
            to: { _ async in Self.plaintext })

        router.migrate(
            .get, "/moved/style",
            from: { _ in Response(jsonText: #"{"style":"blocking","ready":true}"#) },
            to: { _ async in Response(jsonText: #"{"ready":true,"style":"async"}"#) },
            comparing: .json.json(ignoring: "/style", because: "it names the handler"))

        router.migrate(
            .post, "/moved/echo",
            from: { request in Response(body: try request.body.collect(upTo: 1 << 20)) },
            to: { request in Response(body: try await request.body.collect(upTo: 1 << 20)) })
    }
}
