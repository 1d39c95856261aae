import Tandem
import TandemFetch
import TandemHTTP

private let url = "http://127.0.0.1:9/"

/// The samples of docs/outbound.md.
struct OutboundPage {
    let client = FetchClient()
    func blockingCode() throws {  // hidden
        let page = try client.get(url).text  // blocking code: parks this green thread
        print(page)  // hidden
    }  // hidden
    func asyncCode() async throws {  // hidden
        let page = try await client.get(url).text  // async code: the same call, with await
        let made = try await client.post(url, headers: [.contentType: "application/json"], body: "{}")
        print(page, made)  // hidden
    }

    func relay(_ writer: ResponseWriter) async throws {
        let upstream = try await client.stream(FetchRequest(url: url))
        print(upstream.status, upstream[.contentType] ?? "", upstream.contentLength ?? -1)
        try await upstream.forEachPiece { piece in try await writer.write(piece) }
    }

    func allowList() async throws {
        let client = try FetchClient(
            allowing: ["https://api.example.com", "http://db.internal:9000"], privateHosts: ["db.internal"])
        _ = try await client.get("https://api.example.com/v1/users")  // fetched
        _ = try await client.get("https://api.example.com:8443/")  // originNotAllowed: another port
        _ = try await client.get("https://user@api.example.com/")  // badURL: credentials
        _ = try await client.get("http://db.internal:9000/")  // fetched; `refused` if the name resolves to 127.0.0.1
    }
}
