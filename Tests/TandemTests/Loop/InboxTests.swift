internal import CTandem
internal import Glibc
internal import Testing

@testable import Tandem

@Suite(.serialized, .timeLimit(.minutes(1)))
struct InboxTests {
    /// An inbox with its own eventfd, and room for items.
    private final class Fixture: @unchecked Sendable {
        let inbox = UnsafeMutablePointer<tandem_inbox>.allocate(capacity: 1)
        let items: UnsafeMutablePointer<tandem_wait>
        init(items count: Int) {
            inbox.initialize(to: tandem_inbox())
            inbox.pointee.event_fd = tandem_eventfd()
            items = .allocate(capacity: count)
            items.initialize(repeating: tandem_wait(), count: count)
        }
        deinit {
            close(inbox.pointee.event_fd)
            inbox.deallocate()
            items.deallocate()
        }
        func put(_ index: Int) -> Bool { tandem_inbox_put(inbox, items + index, true) }
        /// The number of writes to the eventfd since the last call.
        func wakes() -> UInt64 {
            var count: UInt64 = 0
            return read(inbox.pointee.event_fd, &count, 8) == 8 ? count : 0
        }
        /// The indices of the items in a list that was taken.
        func indices(_ list: UInt) -> [Int] {
            var (item, indices) = (list, [Int]())
            while item != 0 {
                indices.append(UnsafeMutablePointer<tandem_wait>(bitPattern: item & ~3)! - items)
                item = tandem_item_link(item).pointee
            }
            return indices
        }
    }

    @Test func `items are taken all at once, oldest first`() {
        let fixture = Fixture(items: 10)
        for index in 0..<10 { #expect(fixture.put(index)) }
        #expect(fixture.indices(tandem_inbox_take(fixture.inbox)) == Array(0..<10))
        #expect(tandem_inbox_take(fixture.inbox) == 0)
    }

    @Test func `many puts wake a sleeping hub once and an awake hub never`() {
        let fixture = Fixture(items: 20)
        for index in 0..<5 { _ = fixture.put(index) }
        #expect(fixture.wakes() == 0)
        #expect(!tandem_inbox_prepare_sleep(fixture.inbox), "something has arrived: no sleep")
        _ = tandem_inbox_take(fixture.inbox)
        #expect(tandem_inbox_prepare_sleep(fixture.inbox))
        for index in 5..<20 { _ = fixture.put(index) }
        #expect(fixture.wakes() == 1)
        tandem_inbox_finish_sleep(fixture.inbox)
    }

    @Test func `of ten thousand items from each of four threads none is lost, and each thread's order is kept`() async throws {
        let fixture = Fixture(items: 40_000)
        for part in 0..<4 {
            startThread { for index in 0..<10_000 { _ = fixture.put(part * 10_000 + index) } }
        }
        var seen = [0, 0, 0, 0]
        var wakes: UInt64 = 0
        var sleeps: UInt64 = 0
        while seen.reduce(0, +) < 40_000 {
            for index in fixture.indices(tandem_inbox_take(fixture.inbox)) {
                #expect(index % 10_000 == seen[index / 10_000])
                seen[index / 10_000] += 1
            }
            guard seen.reduce(0, +) < 40_000, tandem_inbox_prepare_sleep(fixture.inbox) else { continue }
            sleeps += 1
            var descriptor = pollfd(fd: fixture.inbox.pointee.event_fd, events: Int16(POLLIN), revents: 0)
            #expect(poll(&descriptor, 1, 20_000) == 1, "a wake was lost")
            tandem_inbox_finish_sleep(fixture.inbox)
            wakes += fixture.wakes()
        }
        #expect(wakes == sleeps)
        _ = tandem_inbox_close(fixture.inbox)
    }

    @Test func `a closed inbox returns its items and refuses further ones`() {
        let fixture = Fixture(items: 3)
        _ = fixture.put(0)
        _ = fixture.put(1)
        #expect(fixture.indices(tandem_inbox_close(fixture.inbox)) == [0, 1])
        #expect(!fixture.put(2))
    }
}
