import Synchronization
import Tandem
import TandemTesting
import Testing

@Suite(.serialized, .timeLimit(.minutes(1)))
struct VirtualTimeTests {
    @Test func `hours pass at once, in both styles, and exactly`() async throws {
        try await withVirtualTime {
            let hub = Hub.current!
            let start = hub.now
            let green = GreenThread {
                try sleep(for: .seconds(3_600))
                return hub.now - start
            }
            try await sleep(for: .seconds(1_800))
            #expect(hub.now - start == .seconds(1_800))
            #expect(try await green.wait() == .seconds(3_600))
            await #expect(throws: TandemError(.timedOut, "")) { try await Event<Void>().wait(deadline: .after(.seconds(60))) }
            #expect(hub.now - start == .seconds(3_660))
        }
    }

    @Test func `waits end in the order of their deadlines, whatever their style and the order of their beginning`() async throws {
        for seed in [nil] + (0..<20).map(Optional.some) as [UInt64?] {
            try await withVirtualTime(seed: seed) {
                let log = Log()
                var tasks: [Task<Void, any Error>] = []
                for minutes in [5, 1, 4, 2, 3] {
                    tasks.append(
                        Hub.current!.spawn {
                            if minutes.isMultiple(of: 2) {
                                try await blocking { try sleep(for: .seconds(60 * minutes)) }
                            } else {
                                try await sleep(for: .seconds(60 * minutes))
                            }
                            log.add("\(minutes)")
                        })
                }
                for task in tasks { try await task.value }
                #expect(log.all == ["1", "2", "3", "4", "5"])
            }
        }
    }

    @Test func `the clock stands still while anything can run`() async throws {
        try await withVirtualTime {
            let start = Hub.current!.now
            async let waiting: Void = withTimeout(.milliseconds(1)) {
                for _ in 0..<10_000 { await Task.yield() }
            }
            try await waiting
            #expect(Hub.current!.now == start)
        }
    }

    @Test func `a timeout expires at its exact time, and cancels only its scope`() async throws {
        try await withVirtualTime {
            let start = Hub.current!.now
            await #expect(throws: TandemError(.timedOut, "")) {
                try await withTimeout(.seconds(10)) { try await withTimeout(.seconds(20)) { try await sleep(for: .seconds(30)) } }
            }
            #expect(Hub.current!.now - start == .seconds(10))
            await #expect(throws: TandemError(.timedOut, "")) {
                try await blocking {
                    try withTimeout(.seconds(20)) { try withTimeout(.seconds(10)) { try sleep(for: .seconds(30)) } }
                }
            }
            #expect(Hub.current!.now - start == .seconds(20))
        }
    }

    @Test func `input that the kernel has ready comes before the next deadline`() async throws {
        try await withVirtualTime {
            let queue = Queue<Int>(capacity: 1)
            let pipe = try Pipe()
            let reader = GreenThread {
                for _ in 0..<100 { try queue.put(try pipe.read(deadline: .after(.milliseconds(1)))) }
            }
            for number in 0..<100 {
                try pipe.write(UInt8(number))
                let got = try await queue.get()
                #expect(got == number)
            }
            try await reader.wait()
            pipe.close()
        }
    }

    @Test func `the hub waits for other threads when nothing else is left`() async throws {
        try await withVirtualTime {
            let answer = try await offload { 42 }
            #expect(answer == 42)
        }
    }

    @Test func `a deadlock ends the test, and says who waits for what`() async throws {
        var configuration = HubConfiguration()
        configuration.stuckThreshold = .milliseconds(20)
        let unwound = Log()
        let error = await #expect(throws: Deadlock.self) {
            try await withVirtualTime(configuration) {
                let (first, second) = (Semaphore(1), Semaphore(1))
                let other = GreenThread(name: "other") {
                    defer { unwound.add("other") }
                    try second.acquire()
                    try sleep(for: .seconds(60))
                    try first.acquire()
                }
                defer { unwound.add("body") }
                try await first.acquire()
                try await sleep(for: .seconds(60))
                try await second.acquire()
                try await other.wait()
            }
        }
        #expect(unwound.all.sorted() == ["body", "other"])
        #expect(error?.description.contains("green thread 1 \"other\": Semaphore.acquire") == true)
    }

    @Test func `errors, results and task-locals cross to the caller`() async throws {
        struct Own: Error {}
        await #expect(throws: Own.self) { try await withVirtualTime { throw Own() } }
        let label = try await Label.$name.withValue("mine") { try await withVirtualTime { Label.name } }
        #expect(label == "mine")
    }
}

enum Label {
    @TaskLocal static var name = "none"
}

/// A list of lines that several tasks write.
final class Log: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
}
