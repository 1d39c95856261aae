import Tandem
import TandemFetch
import TandemHTTP
import TandemTesting
import Testing

/// The samples of docs/time-limits.md.
@Suite(.timeLimit(.minutes(1)))
struct TimeLimitsPage {
    let client = FetchClient()
    let url = "http://127.0.0.1:9/"
    let jobs = Queue<String>()
    let permits = Semaphore(1)
    let lease = Lease()

    struct Shutdown: Error {}

    struct Lease {
        let permit = Semaphore(1, limit: 1)
        func acquire() throws { try permit.acquire() }
        func giveBack() throws {
            try sleep(for: .milliseconds(1))
            permit.release()
        }
    }

    func work() throws { try sleep(for: .seconds(3600)) }

    func isPrime(_ number: Int) -> Bool { !(2..<max(number, 2)).contains { $0 * $0 <= number && number.isMultiple(of: $0) } }

    func loadPage() async throws -> String {
        do {
            return try await withTimeout(.seconds(2)) { try await client.get(url).text }
        } catch let error as TandemError where error.code == .timedOut {
            return "the page is late"
        }
    }

    func loadPageInBlockingCode() throws -> String {
        try withTimeout(.seconds(2)) { try client.get(url).text }
    }

    func takeJob() throws -> String { try jobs.get(deadline: .after(.milliseconds(500))) }

    func takeJobWithPermit() async throws -> String {
        let deadline = Deadline.after(.seconds(1))
        return try await permits.withPermit(deadline: deadline) { try await jobs.get(deadline: deadline) }
    }

    func loadQuickly() async throws -> String {
        var request = FetchRequest(url: url)
        request.deadline = .after(.milliseconds(300))
        return try await client.execute(request).text
    }

    func limitHandlers(_ router: Router) {
        router.use { request, next in
            do {
                return try await withTimeout(.seconds(10)) { try await next(request) }
            } catch let error as TandemError where error.code == .timedOut {
                throw HTTPError(.serviceUnavailable, "this takes too long", headers: [.retryAfter: "1"])
            }
        }
    }

    func stopWorker() async throws -> String {
        let worker = spawn { try jobs.get() }
        worker.cancel(throwing: Shutdown())
        do { return try await worker.wait() } catch is Shutdown { return "stopped" }
    }

    func withLease() throws {
        try lease.acquire()
        defer { try? withCancellationShield { try lease.giveBack() } }
        try work()
    }

    func countPrimes(below limit: Int) throws -> Int {
        var count = 0
        for number in 2..<limit {
            if number.isMultiple(of: 1024) { try checkCancellation() }
            if isPrime(number) { count += 1 }
        }
        return count
    }

    @Test func `a wait ends at its deadline, and a thread when it is cancelled`() async throws {
        await #expect(throws: TandemError(.timedOut, "")) { try await blocking { try takeJob() } }
        #expect(try await stopWorker() == "stopped")
        #expect(try countPrimes(below: 5000) == 669)
    }

    @Test func `the lease is given back by code that was cancelled`() async throws {
        let worker = spawn { try withLease() }
        while lease.permit.available == 1 { try await sleep(for: .milliseconds(1)) }
        worker.cancel()
        await #expect(throws: TandemError(.threadCancelled, "")) { try await worker.wait() }
        #expect(lease.permit.available == 1)
    }

    @Test func `a handler that takes too long is answered with 503`() async throws {
        try await withVirtualTime {
            let router = Router()
            limitHandlers(router)
            router.get("/blocking") { _ in
                try sleep(for: .seconds(3600)); return Response()
            }
            router.get("/async") { _ in
                try await sleep(for: .seconds(3600)); return Response()
            }
            try await withTestServer(router) { client in
                for path in ["/blocking", "/async"] {
                    let response = try await client.get(path)
                    #expect(response.status == .serviceUnavailable)
                }
            }
        }
    }
}
