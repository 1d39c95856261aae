import Tandem
import TandemFetch
import TandemHTTP
import TandemJSON

let client = FetchClient()
let router = Router()
router.get("/title") { request in Response(text: try client.get("http://127.0.0.1:8080/").text) }
router.get("/numbers") { _ async throws in try Response(json: [1, 2, 3]) }
print(router.routes.map(\.description).joined(separator: "\n"))
