import Tandem
import TandemFetch
import Testing

/// The samples of docs/bridging.md.
@Suite(.timeLimit(.minutes(1)))
struct BridgingPage {
    let client = FetchClient()
    let reportURL = "report"
    let archiveURL = "http://127.0.0.1:9/"

    func loadReport(_ url: String) async throws -> String {
        try await sleep(for: .milliseconds(1))
        return url
    }

    func renderInvoice(_ number: Int) throws -> String {
        try sleep(for: .milliseconds(1))
        return "invoice \(number) "
    }

    func readFile(_ path: String) throws -> [UInt8] { Array(path.utf8) }

    func refresh() async {}

    func printReport() throws {  // blocking code, years old
        let report = try awaiting { try await loadReport(reportURL) }
        print(report)
    }

    func sendInvoice(_ number: Int) async throws {
        let invoice = try await blocking { try renderInvoice(number) }  // blocking code, years old
        _ = try await client.post(archiveURL, body: FetchBody(invoice))
    }

    func runEverythingOnOneThread() throws {
        var configuration = HubConfiguration()
        configuration.takesOverGlobalExecutor = true
        try Hub.run(configuration) {
            await Task.detached { await refresh() }.value  // on the hub's thread
        }
    }

    func prepare() async throws -> String {
        let invoice = spawn { try renderInvoice(7) }  // does not await: a green thread
        let report = spawn { try await loadReport(reportURL) }  // awaits: a task on this hub
        return try await invoice.wait() + report.value
    }

    func fetchAll(_ urls: [String]) throws -> [String] {
        var texts = GreenPool(limit: 8).map(urls) { url in try client.get(url).text }
        var all: [String] = []
        while let text = try texts.next() { all.append(text) }
        return all
    }

    func checksum(ofFile path: String) throws -> Int {
        try offload { try readFile(path).reduce(0) { ($0 &+ Int($1)) & 0xffff } }
    }

    enum Tenant { @TaskLocal static var name = "none" }

    func crossTwice() async throws -> String {
        try await Tenant.$name.withValue("acme") {
            try await blocking {
                try awaiting { await nameOfTenant() }  // acme
            }
        }
    }
    func nameOfTenant() async -> String { Tenant.name }

    func startRefreshing() {
        Task { await refresh() }  // leaves the hub
        spawn { await refresh() }  // stays, and is cancelled when the hub stops
    }

    func wrong(_ ready: Event<Void>) async throws {
        try waitForReady(ready)  // compiles, and throws TandemError notOnGreenThread here
    }
    func right(_ ready: Event<Void>) async throws {
        try await blocking { try waitForReady(ready) }
    }
    func waitForReady(_ ready: Event<Void>) throws { try ready.wait() }

    @Test func `each style calls the other`() async throws {
        #expect(try await prepare() == "invoice 7 report")
        try await blocking { try printReport() }
        #expect(try await blocking { try checksum(ofFile: "ab") } == 195)
        #expect(try await crossTwice() == "acme")
    }

    @Test func `a synchronous function that waits needs a green thread`() async throws {
        let ready = Event<Void>()
        await #expect(throws: TandemError(.notOnGreenThread, "")) { try await wrong(ready) }
        ready.send(())
        try await right(ready)
    }
}
