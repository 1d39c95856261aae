import Tandem
import TandemDaemon
import TandemFetch  // hidden
import TandemHTTP
import TandemTesting  // hidden
import Testing  // hidden

struct Shop: DaemonService {
    static let name = "shop"
    static let version = "1.0.0"
    static let settings: [Setting] = [
        .text(
            "prices.currency", default: "EUR", expecting: "three capital letters",
            note: "The currency of prices. EUR, because most customers pay in it.", effect: .nextRequest
        ) { $0.count == 3 && $0.allSatisfy { ("A"..."Z").contains($0) } },
        .integer(
            "invoices.threads", default: 4, in: 1...64, unit: "threads",
            note: "Threads that render invoices. 4: a rendering takes 200 ms of CPU."),
    ]
    private let context: DaemonContext
    private let pdfs: OffloadPool

    init(_ context: DaemonContext) throws {
        self.context = context
        pdfs = try context.makeOffloadPool("pdf", threads: context.config.requiredInt(forKey: "invoices.threads"))
        context.onShutdown("prices") { context.logger.notice("prices saved") }
    }

    func addRoutes(to router: Router) {
        router.get("/currency") { request in
            Response(text: try context.config.requiredString(forKey: "prices.currency"))
        }
        router.get("/price/{id}") { request in
            let id = try request.parameters.value("id", as: Int.self)
            return Response(text: try await context.client.get("https://prices.example.com/\(id)").text)
        }
    }
}

private struct Prices: Sendable {
    func use(currency: String) {}
}

private func register(_ context: DaemonContext, _ prices: Prices) {
    context.onReload("currency") { new in
        let currency = try new.requiredString(forKey: "prices.currency")
        return { prices.use(currency: currency) }
    }
}

@Suite(.timeLimit(.minutes(1)))
struct DaemonPageTests {
    @Test func `prices are in the configured currency`() async throws {
        try await withTestServer(Shop.makeRouter(settings: ["prices.currency": ["CHF"]])) { client in
            let response = try await client.get("/currency")
            #expect(response.text == "CHF")
        }
    }
}
