import Foundation
import Tandem

/// Work for a hub that is a guest on another loop: each case uses one thing that the hub offers, and checks the result.
public enum GuestWork: Int, CaseIterable, Sendable {
    case timers, descriptors, greenThreads, asyncTasks, otherThreads

    /// Does the work. All of it runs on the calling thread, the loop's. Call it in a task on the hub.
    public func run() async throws {
        let thread = GreenThreadIdentity.osThread
        switch self {
        case .timers: try await useTimers()
        case .descriptors: try await useDescriptors()
        case .greenThreads: try await useGreenThreads()
        case .asyncTasks: try await useTasks()
        case .otherThreads: try await useOtherThreads()
        }
        try expect(GreenThreadIdentity.osThread == thread, "the task changed threads")
    }

    /// Sleeps in both styles end in the order of their deadlines.
    private func useTimers() async throws {
        let ended = Queue<Int>()
        for milliseconds in [30, 10, 20] {
            spawn {
                try sleep(for: .milliseconds(milliseconds))
                try ended.put(milliseconds)
            }
            spawn {
                try await sleep(for: .milliseconds(milliseconds + 5))
                try await ended.put(milliseconds + 5)
            }
        }
        var order: [Int] = []
        for _ in 0..<6 { order.append(try await ended.get()) }
        try expect(order == [10, 15, 20, 25, 30, 35], "the sleeps ended in the order \(order)")
    }

    /// A green thread serves a connection of an async client.
    private func useDescriptors() async throws {
        let listener = try TCPListener(port: 0)
        defer { listener.close() }
        let server = spawn {
            let stream = try listener.accept()
            defer { stream.close() }
            while let line = try stream.readLine() { try stream.write(line.uppercased() + "\n") }
        }
        let client = try await TCPStream.connect(to: listener.local)
        for number in 1...20 {
            try await client.write("line \(number)\n")
            let answer = try await client.readLine()
            try expect(answer == "LINE \(number)", "the answer is \(answer ?? "missing")")
        }
        client.close()
        try await server.wait()
    }

    /// Green threads wait at the same time, and call async code, which calls blocking code.
    private func useGreenThreads() async throws {
        let thread = GreenThreadIdentity.osThread
        let adders = (1...100).map { number in
            spawn {
                try sleep(for: .milliseconds(5))
                let sum = try awaiting { try await self.double(number) }
                try expect(GreenThreadIdentity.osThread == thread, "a green thread changed threads")
                return sum
            }
        }
        var sum = 0
        for adder in adders { sum += try await adder.wait() }
        try expect(sum == 10_100, "the sum is \(sum)")
    }

    private func double(_ value: Int) async throws -> Int {
        try await blocking {
            try sleep(for: .milliseconds(1))
            return 2 * value
        }
    }

    /// Child tasks stay on the hub. An actor and a detached task may leave it, and the task comes back.
    private func useTasks() async throws {
        let thread = GreenThreadIdentity.osThread
        let ledger = Ledger()
        try await withThrowingTaskGroup { group in
            for number in 1...100 {
                group.addTask {
                    try expect(GreenThreadIdentity.osThread == thread, "a child task is on another thread")
                    try await sleep(for: .milliseconds(1))
                    await ledger.add(number)
                }
            }
            try await group.waitForAll()
        }
        async let total = ledger.total
        let answer = await (Task.detached { 7 }.value, total)
        try expect(answer == (7, 5_050), "the answer is \(answer)")
    }

    /// Other threads wake what waits on the hub, also while the loop sleeps.
    private func useOtherThreads() async throws {
        for number in 0..<20 {
            let event = Event<Int>()
            Thread.detachNewThread {
                if number % 2 == 0 { usleep(2_000) }
                event.send(number)
            }
            let value = try await number % 3 == 0 ? blocking { try event.wait() } : event.wait()
            try expect(value == number, "\(value) instead of \(number)")
        }
        let sum = try await offload { (1...100).reduce(0, +) }
        try expect(sum == 5_050, "the sum is \(sum)")
    }
}

private actor Ledger {
    private(set) var total = 0
    func add(_ value: Int) { total += value }
}

/// Work that went wrong.
public struct WorkError: Error {
    /// The reason.
    public let text: String
}

private func expect(_ condition: Bool, _ text: @autoclosure () -> String) throws {
    guard condition else { throw WorkError(text: text()) }
}

/// The number of open descriptors of the process.
public func openDescriptors() -> Int {
    (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
}
