import Tandem
import TandemHTTP
import TandemTesting

/// An exchange for tests. It has rates for CHF and USD, and one for SLW that it sends when `release` is called.
final class Exchange: Sendable {
    private let asked = Queue<Void>()
    private let mayAnswer = Event<Void>()

    var router: Router {
        let router = Router()
        router.get("/rates/{currency}") { [self] request in
            switch request.parameters["currency"] {
            case "CHF": return Response(text: "0.95\n")
            case "USD": return Response(text: "1.10")
            case "SLW":
                try await asked.put(())
                try await mayAnswer.wait()
                return Response(text: "2")
            case "BAD": return Response(text: "a lot")
            case "ERR": throw HTTPError(.internalServerError, "no rates today")
            default: throw HTTPError(.notFound, "no such currency")
            }
        }
        return router
    }

    /// Waits until a service has asked for the rate of SLW.
    func waitUntilAsked() async throws { try await asked.get() }

    /// Answers all that ask for the rate of SLW.
    func release() { mayAnswer.send(()) }
}

/// Runs `body` with an exchange, and a process of this stage that uses it.
func withExchange(
    _ stage: Stage, timeout: Duration = .seconds(20),
    _ body: @escaping @Sendable (TestClient, Exchange, Service) async throws -> Void
) async throws {
    let exchange = Exchange()
    try await withTestServer(exchange.router, .live) { server in
        try await withService(stage, exchange: server.port, timeout: timeout) { client, service, _ in
            try await body(client, exchange, service)
        }
    }
}
