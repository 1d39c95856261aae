// The server of the README, complete: routes in both styles, on one thread.
import Tandem
import TandemFetch
import TandemHTTP

let client = FetchClient()
let router = Router()

router.get("/legacy/title") { request in  // years old; looks blocking, and the hub serves others meanwhile
    Response(text: try client.get("http://127.0.0.1:8080/legacy/report").text)
}
router.get("/modern/title") { request in  // migrated: the same call, and await
    Response(text: try await client.get("http://127.0.0.1:8080/legacy/report").text)
}
router.get("/legacy/report") { request in  // blocking calls async
    Response(text: try awaiting { try await buildReport() })
}
router.get("/modern/invoice") { request in  // async calls blocking
    Response(text: try await blocking { try renderInvoice() })
}
try await HTTPServer(router: router).run()

func buildReport() async throws -> String {
    try await sleep(for: .milliseconds(10))
    return "a report, built by async code\n"
}

func renderInvoice() throws -> String {
    try sleep(for: .milliseconds(10))
    return "an invoice, rendered by blocking code\n"
}
