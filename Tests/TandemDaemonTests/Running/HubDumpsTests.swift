import Foundation
import Tandem
import Testing

@testable import TandemDaemon

@Suite(.serialized, .timeLimit(.minutes(1)))
struct HubDumpsTests {
    @Test func `every hub is listed, and a stuck one is inspected from outside`() async throws {
        var configuration = HubConfiguration()
        configuration.name = "dumped"
        configuration.stallThreshold = .seconds(60)
        let group = try HubGroup(count: 2, configuration: configuration)
        let waiting = Event<Void>()
        let waiter = group.hubs[0].spawn(name: "patient") { try await waiting.wait() }
        let held = Event<Void>()
        let isOver = Flag()
        group.hubs[1].spawn(name: "stuck") {
            held.send(())
            spin(until: isOver)
        }
        try await held.wait()
        while waiting.waiting == 0 { try await Task.sleep(for: .milliseconds(1)) }

        let file = try TemporaryFile("")
        let output = open(file.path, O_WRONLY | O_CLOEXEC)
        try await HubGroup.shared.nextHub().spawn { await HubDumps().write(group.hubs, to: output) }.value
        close(output)
        let text = try String(contentsOfFile: file.path, encoding: .utf8)
        #expect(text.contains("dumped-0: "))
        #expect(text.contains("task \"patient\" waits: Event.wait"))
        #expect(text.contains("dumped-1: does not answer: async code holds it and runs\n"))
        #expect(text.contains("spin"))

        isOver.set()
        waiting.send(())
        try await waiter.value
        await group.shutdown()
    }

    @Test func `a hub without a watchdog is not inspected`() async throws {
        let group = try HubGroup(count: 1)
        #expect(group.hubs[0].sighting() == nil)
        await group.shutdown()
        #expect(group.hubs[0].sighting() == nil)
    }
}

private final class Flag: @unchecked Sendable {
    // Locked.
    private let lock = NSLock()
    private var value = false
    var isSet: Bool { lock.withLock { value } }
    func set() { lock.withLock { value = true } }
}

/// Keeps the thread busy.
@inline(never)
private func spin(until flag: Flag) { while !flag.isSet {} }
