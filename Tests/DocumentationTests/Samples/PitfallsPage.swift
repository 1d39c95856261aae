// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation
import HTTPTypes
import Synchronization
import Tandem
import TandemHTTP
import TandemTesting
import Testing

private let tenantField = HTTPField.Name("X-Tenant")!

/// The samples of docs/pitfalls.md.
@Suite(.timeLimit(.minutes(1)))
struct PitfallsPage {
    /// A pool that waits for itself.
    struct Reports {
        let connections = Semaphore(2)

        func load(_ id: Int, _ part: Int) throws -> String {
            try sleep(for: .milliseconds(1))
            return "\(id).\(part) "
        }

        func reportThatHangs(_ id: Int) throws -> String {
            try connections.withPermit {
                let parts = (0..<2).map { part in spawn { try connections.withPermit { try load(id, part) } } }
                return try parts.map { try $0.wait() }.joined()
            }
        }

        func report(_ id: Int) throws -> String {
            let parts = (0..<2).map { part in spawn { try connections.withPermit { try load(id, part) } } }
            return try parts.map { try $0.wait() }.joined()
        }
    }

    @Test func `a permit above the place that needs one hangs when all are taken, and one at the place does not`() throws {
        try Hub.run { () async throws -> Void in
            let reports = Reports()
            func all(_ report: @escaping @Sendable (Int) throws -> String) async throws -> [String] {
                let threads = (0..<2).map { id in spawn(name: "report") { try report(id) } }
                do {
                    return try await withTimeout(.milliseconds(300)) {
                        var texts: [String] = []
                        for thread in threads { texts.append(try await thread.wait()) }
                        return texts
                    }
                } catch {
                    threads.forEach { $0.cancel() }
                    throw error
                }
            }
            #expect(try await all(reports.report) == ["0.0 0.1 ", "1.0 1.1 "])
            let error = await #expect(throws: TandemError.self) { try await all(reports.reportThatHangs) }
            #expect(error?.code == .timedOut)
        }
    }

    /// Cancellation where there was none.
    final class Poller: Sendable {
        let polls = Mutex(0)

        func poll() throws {
            polls.withLock { $0 += 1 }
            try checkCancellation()
            throw TandemError(.closed, "nothing there")
        }
        func report(_ error: any Error) {}

        func pollForever() {
            while true {
                do { try poll() } catch { report(error) }
                try? sleep(for: .seconds(1))
                if polls.withLock({ $0 > 10_000 }) { return }  // hidden
            }
        }

        func pollUntilCancelled() throws {
            while true {
                do { try poll() } catch  where !(error is CancellationError) { report(error) }
                try sleep(for: .seconds(1))
            }
        }
    }

    @Test func `a loop that ignores errors never waits again once it is cancelled, and one that does not ends`() throws {
        try Hub.run { () async throws -> Void in
            let poller = Poller()
            let loop = spawn(name: "loop") { poller.pollForever() }
            await Task.yield()
            loop.cancel()
            try await loop.wait()
            #expect(poller.polls.withLock { $0 } > 10_000)
            let other = Poller()
            let ends = spawn(name: "loop") { try other.pollUntilCancelled() }
            await Task.yield()
            ends.cancel()
            let error = await #expect(throws: TandemError.self) { try await ends.wait() }
            #expect(error?.code == .threadCancelled)
            #expect(other.polls.withLock { $0 } <= 2)
        }
    }

    final class Accounts: Sendable {
        let balances = Mutex((from: 10, to: 0))

        func debit(_ amount: Int) throws {
            try sleep(for: .milliseconds(1))
            balances.withLock { $0.from -= amount }
        }
        func credit(_ amount: Int) throws {
            try sleep(for: .milliseconds(1))
            balances.withLock { $0.to += amount }
        }

        func transfer(_ amount: Int) throws {
            try withCancellationShield {
                try debit(amount)
                try credit(amount)
            }
        }
    }

    @Test func `a transfer in a shield is whole although its thread is cancelled`() throws {
        try Hub.run { () async throws -> Void in
            let accounts = Accounts()
            let transfer = spawn(name: "transfer") { try accounts.transfer(4) }
            await Task.yield()
            transfer.cancel()
            _ = try? await transfer.wait()
            #expect(accounts.balances.withLock { $0.from == 6 && $0.to == 4 })
        }
    }

    enum Tenant {
        @TaskLocal static var current = "none"
    }

    func addTenant(to router: Router) {
        router.use { request, next in
            try await Tenant.$current.withValue(request[tenantField] ?? "none") { try await next(request) }
        }
    }

    @Test func `a task-local of async middleware is visible in a blocking handler and below its bridge`() async throws {
        let router = Router()
        addTenant(to: router)
        router.get("/tenant") { _ in
            Response(
                text: Tenant.current
                    + (try awaiting {
                        await Task.yield(); return Tenant.current
                    }))
        }
        try await withTestServer(router) { client async throws in
            #expect(try await client.get("/tenant", headers: [tenantField: "a"]).text == "aa")
            #expect(try await client.get("/tenant").text == "nonenone")
        }
    }

    /// State across a wait.
    final class Prices {
        var prices: [String: Int] = [:]
        func loadPrice(of item: String) throws -> Int {
            try sleep(for: .milliseconds(1))
            return item.utf8.count
        }

        func priceThatIsLoadedTwice(of item: String) throws -> Int {
            if let price = prices[item] { return price }
            let price = try loadPrice(of: item)  // others run here, find no price either, and load it too
            prices[item] = price
            return price
        }
    }

    /// A trip per item.
    struct Titles {
        @Sendable func title(of page: String) async throws -> String {
            try await sleep(for: .milliseconds(1))
            return "title of \(page)"
        }

        func titlesOneByOne(_ pages: [String]) throws -> [String] {
            try pages.map { page in try awaiting { try await title(of: page) } }
        }

        func titles(_ pages: [String]) throws -> [String] {
            try awaiting {
                try await withThrowingTaskGroup(of: (Int, String).self) { group in
                    for (index, page) in pages.enumerated() { group.addTask { (index, try await title(of: page)) } }
                    var titles = pages
                    for try await (index, title) in group { titles[index] = title }
                    return titles
                }
            }
        }
    }

    @Test func `one trip for all items gives the same titles`() throws {
        try Hub.run { () async throws -> Void in
            try await blocking { () throws -> Void in
                let pages = ["a", "b", "c"]
                #expect(try Titles().titles(pages) == Titles().titlesOneByOne(pages))
            }
        }
    }
}
