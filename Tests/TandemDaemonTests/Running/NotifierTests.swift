import Foundation
import Tandem
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct NotifierTests {
    private func make(_ environment: [String: String]) -> Notifier? { Notifier { environment[$0] } }

    private func send(_ environment: [String: String], _ body: @escaping @Sendable (Notifier) async -> Void) async throws {
        let notifier = try #require(make(environment))
        try await HubGroup.shared.nextHub().spawn { await body(notifier) }.value
    }

    @Test(arguments: [false, true])
    func `messages sent together are one datagram, to a path or an abstract name`(abstract: Bool) async throws {
        let socket = try NotifySocket(abstract: abstract)
        try await send(["NOTIFY_SOCKET": socket.address]) { await $0.send(.ready, .status("serving\non 2 hubs")) }
        #expect(socket.datagram() == ["READY=1", "STATUS=serving; on 2 hubs"])
        try await send(["NOTIFY_SOCKET": socket.address]) { await $0.send(.stopping, .extendTimeout(.seconds(45))) }
        #expect(socket.datagram() == ["STOPPING=1", "EXTEND_TIMEOUT_USEC=45000000"])
        #expect(socket.datagram() == nil)
    }

    @Test func `a reload message contains its start time`() async throws {
        let socket = try NotifySocket()
        func now() -> Int { Int(nanoseconds()) / 1_000 }
        let before = now()
        try await send(["NOTIFY_SOCKET": socket.address]) { await $0.send(.reloading) }
        let lines = try #require(socket.datagram())
        #expect(lines.first == "RELOADING=1")
        let time = try #require(lines.last?.split(separator: "=").last.flatMap { Int($0) })
        #expect((before...now()).contains(time))
    }

    @Test func `without a socket nothing is sent`() {
        #expect(make([:]) == nil)
        #expect(make(["NOTIFY_SOCKET": ""]) == nil)
        #expect(make(["NOTIFY_SOCKET": "vsock:2:1234"]) == nil)
        #expect(make(["NOTIFY_SOCKET": "relative/path"]) == nil)
    }

    @Test func `the watchdog's interval applies only to the process it names`() {
        let socket = ["NOTIFY_SOCKET": "/run/systemd/notify"]
        func interval(_ more: [String: String]) -> Duration? {
            make(socket.merging(more) { _, new in new })?.watchdogInterval
        }
        #expect(interval([:]) == nil)
        #expect(interval(["WATCHDOG_USEC": "60000000"]) == .seconds(60))
        #expect(interval(["WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "\(getpid())"]) == .seconds(60))
        #expect(interval(["WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "\(getpid() + 1)"]) == nil)
        #expect(interval(["WATCHDOG_USEC": "0"]) == nil)
        #expect(interval(["WATCHDOG_USEC": "soon"]) == nil)
    }

    @Test func `a missing service manager is not an error`() async throws {
        try await send(["NOTIFY_SOCKET": "/nonexistent/notify"]) { await $0.send(.ready) }
        let long = "/" + String(repeating: "x", count: 200)
        try await send(["NOTIFY_SOCKET": long]) { await $0.send(.ready) }
    }

    @Test func `a message is sent again when the service manager's queue is full`() async throws {
        let socket = try NotifySocket()
        let notifier = try #require(make(["NOTIFY_SOCKET": socket.address]))
        let count = 400
        async let sending: Void = HubGroup.shared.nextHub().spawn {
            for number in 0..<count { await notifier.send(.status("\(number)")) }
        }.value
        // The kernel queues only about ten messages.
        for number in 0..<count { #expect(try await socket.next() == ["STATUS=\(number)"]) }
        try await sending
    }

    private func nanoseconds() -> UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000_000 + UInt64(now.tv_nsec)
    }
}
