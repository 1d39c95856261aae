// swift-format-ignore-file: AllPublicDeclarationsHaveDocumentation
import Dispatch
import Glibc
import Synchronization
import Tandem
import TandemFetch
import TandemHTTP
import TandemJSON
import TandemTesting
import Testing

private let client = FetchClient()
private let ratesURL = "http://127.0.0.1:9/rates/"

/// The samples of docs/migrating.md: an application.
struct ApplicationMigration {
    func oldUser(_ request: Request) throws -> Response { Response(text: request.parameters["id"]!) }
    func newUser(_ request: Request) async throws -> Response { Response(text: request.parameters["id"]!) }

    func firstStep(_ router: Router) {
        router.get("/users/{id}") { request in
            try oldUser(request)
        }
    }

    func priceInThreads(of item: String) -> Int {
        let done = DispatchSemaphore(value: 0)
        let price = Mutex(0)
        DispatchQueue.global().async {
            usleep(1000)
            price.withLock { $0 = item.count }
            done.signal()
        }
        done.wait()
        return price.withLock { $0 }
    }

    func price(of item: String) throws -> Int {
        let price = spawn {
            try sleep(for: .milliseconds(1))
            return item.count
        }
        return try price.wait()
    }

    struct Before {
        func title(of page: String) throws -> String {
            let text = try client.get(page).text
            return String(text.prefix(while: { $0 != "\n" }))
        }
        func oldTitles(_ pages: [String]) throws -> [String] {
            try pages.map { page in try title(of: page) }
        }
    }

    struct After {
        func title(of page: String) async throws -> String {
            let text = try await client.get(page).text
            return String(text.prefix(while: { $0 != "\n" }))
        }
        func oldTitles(_ pages: [String]) throws -> [String] {
            try pages.map { page in try awaiting { try await title(of: page) } }
        }
    }

    func fourthStep(_ router: Router) {
        router.migrate(.get, "/users/{id}", from: oldUser, to: newUser, .shadow(sample: 1))
    }

    func eachHandler(_ router: Router, _ test: (TestClient) async throws -> Void) async throws {
        for mode in [Migration.old, .new] {
            var configuration = HTTPServerConfiguration()
            configuration.migrations.routes = [RouteMigration(.get, "/users/{id}", mode)]
            try await withTestServer(router, configuration: configuration, test)
        }
    }

    func report(_ router: Router) {
        let oldReport: RouteGroup.BlockingHandler = { _ in Response() }
        let newReport: RouteGroup.AsyncHandler = { _ in Response() }
        router.migrate(
            .get, "/report", from: oldReport, to: newReport, .shadow(sample: 5),
            comparing: .json
                .json(ignoring: "/generatedAt", because: "clock")
                .json(ignoring: "/items/*/id", because: "random")
                .ignoring(.cacheControl, because: "the new handler allows caching")
                .comparing(.eTag))
    }

    func search(_ router: Router) {
        let oldSearch: RouteGroup.BlockingHandler = { _ in Response() }
        let newSearch: RouteGroup.AsyncHandler = { _ in Response() }
        router.migrate(
            .post, "/search", from: oldSearch, to: newSearch, .shadow(sample: 5),
            unsafe: UnsafeShadow(because: "a search changes nothing"))
    }
}

/// The samples of docs/migrating.md: code that asks whether it runs in a shadow.
struct Visits {
    struct Counts {
        func increment(_ page: String) {}
    }
    let visits = Counts()

    func visited(_ page: String) {
        guard !Shadow.isActive else { return }
        visits.increment(page)
    }
}

/// The samples of docs/migrating.md: a library.
enum LibraryMigration {
    public struct RatesInStepOne {
        public func rate(of currency: String) throws -> String {
            try awaiting { try await load(currency) }
        }
        func load(_ currency: String) async throws -> String { try await client.get(ratesURL + currency).text }
    }

    public struct Rates {
        public func rate(of currency: String) async throws -> String { try await client.get(ratesURL + currency).text }

        @available(*, noasync)
        public func rate(of currency: String) throws -> String {
            try awaiting { try await rate(of: currency) }
        }
    }

    struct RatesInStepThree {
        func rate(of currency: String) async throws -> String { currency }
    }

    func printRate(_ rates: RatesInStepThree) throws {
        print(try awaiting { try await rates.rate(of: "EUR") })
    }
}

/// The samples of docs/migrating.md: what stays on a hub.
@Suite(.timeLimit(.minutes(1)))
struct StayingOnTheHub {
    func countOrders() async throws -> Int { 7 }

    func onHub(_ hub: Hub) async throws -> Int {
        let task = hub.spawn { try await countOrders() }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    actor Counter {
        let hub: Hub
        var count = 0
        nonisolated var unownedExecutor: UnownedSerialExecutor { hub.serialExecutor.asUnownedSerialExecutor() }

        init(on hub: Hub) { self.hub = hub }
        func increment() { count += 1 }
    }

    @Test func `work that is sent to a hub runs there`() async throws {
        let group = try HubGroup(count: 1)
        #expect(try await onHub(group.hubs[0]) == 7)
        let counter = Counter(on: group.hubs[0])
        await counter.increment()
        #expect(await counter.count == 1)
        await group.shutdown()
    }

    @Test func `both forms of a function say the same`() async throws {
        let migration = ApplicationMigration()
        let old = try await offload { migration.priceInThreads(of: "pear") }
        let new = try await blocking { try migration.price(of: "pear") }
        #expect(old == new)
    }
}
