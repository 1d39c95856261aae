internal import CTandem
internal import Testing

@testable import Tandem

@Suite(.timeLimit(.minutes(1)))
struct TimerHeapTests {
    /// Waits with their own deadlines, freed at the end.
    private final class Waits {
        let all: UnsafeMutableBufferPointer<tandem_wait>
        init(_ count: Int) {
            all = .allocate(capacity: count)
            all.initialize(repeating: tandem_wait())
        }
        deinit { all.deallocate() }
        subscript(index: Int) -> UnsafeMutablePointer<tandem_wait> { all.baseAddress! + index }
    }

    private func drain(_ heap: inout TimerHeap) -> [UnsafeMutablePointer<tandem_wait>] {
        var order: [UnsafeMutablePointer<tandem_wait>] = []
        while let wait = heap.popDue(.max) { order.append(wait) }
        return order
    }

    @Test func `an empty heap has no earliest deadline and nothing due`() {
        var heap = TimerHeap()
        #expect(heap.earliest == .max)
        #expect(heap.popDue(.max) == nil)
    }

    @Test func `a timer is due at its deadline and not before`() {
        let waits = Waits(2)
        var heap = TimerHeap()
        heap.insert(waits[0], deadline: 10)
        heap.insert(waits[1], deadline: 11)
        #expect(heap.earliest == 10)
        #expect(heap.popDue(9) == nil)
        #expect(heap.popDue(10) == waits[0])
        #expect(heap.popDue(10) == nil)
        #expect(heap.popDue(11) == waits[1])
        #expect(heap.count == 0)
    }

    @Test func `equal deadlines are returned in the order of arming`() {
        let waits = Waits(500)
        var heap = TimerHeap()
        for index in 0..<500 { heap.insert(waits[index], deadline: UInt64(1 + index % 3)) }
        let expected = (0..<3).flatMap { rest in (0..<500).filter { $0 % 3 == rest }.map { waits[$0] } }
        #expect(drain(&heap) == expected)
    }

    @Test func `a wait that was returned or removed is no longer armed`() {
        let waits = Waits(2)
        var heap = TimerHeap()
        heap.insert(waits[0], deadline: 1)
        heap.insert(waits[1], deadline: 2)
        #expect(waits[0].pointee.heap_position != 0)
        heap.remove(waits[0])
        _ = heap.popDue(.max)
        #expect(waits[0].pointee.heap_position == 0)
        #expect(waits[1].pointee.heap_position == 0)
    }

    /// A handler that rearms its timer as already due must not keep the hub in this turn forever, nor move
    /// ahead of the timers that were due with it.
    @Test func `a deadline that has passed when it is armed is due in the next round, after earlier ones`() {
        let waits = Waits(2)
        var heap = TimerHeap()
        heap.insert(waits[0], deadline: 50)
        heap.insert(waits[1], deadline: 60)
        #expect(heap.popDue(100) == waits[0])
        heap.insert(waits[0], deadline: 50)
        #expect(heap.popDue(100) == waits[1])
        #expect(heap.popDue(100) == nil)
        #expect(heap.popDue(101) == waits[0])
    }

    @Test(arguments: [0, 1, 63, 64, 1_000, 1_000_000, 100_000_000, 3_600_000_000_000, .max - 1_000_000_007] as [UInt64])
    func `a deadline is rounded up by at most 1/64 of its time and 2^20 ns`(span: UInt64) {
        for now in [0, 7, 1_000_000_007] as [UInt64] {
            let deadline = now + span
            let coalesced = TimerHeap.coalesced(deadline, now: now)
            #expect(coalesced >= deadline)
            #expect(coalesced - deadline <= min(span / 64, 1 << 20))
        }
        #expect(TimerHeap.coalesced(5, now: 7) == 5)
    }

    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func `the heap agrees with a sorted list under random arming, removing and popping`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let waits = Waits(3000)
        var heap = TimerHeap()
        // The armed waits, in the order in which they must be returned.
        var reference: [(deadline: UInt64, order: Int, index: Int)] = []
        var idle = Array(0..<3000)
        var now: UInt64 = 0
        for step in 0..<20_000 {
            switch UInt32.random(in: 0..<10, using: &random) {
            case 0..<5:
                guard !idle.isEmpty else { continue }
                let index = idle.remove(at: Int.random(in: 0..<idle.count, using: &random))
                let deadline = now + 1 + UInt64.random(in: 0..<500, using: &random)
                heap.insert(waits[index], deadline: deadline)
                let place = reference.firstIndex { $0.deadline > deadline } ?? reference.count
                reference.insert((deadline, step, index), at: place)
            case 5..<8:
                guard !reference.isEmpty else { continue }
                let gone = reference.remove(at: Int.random(in: 0..<reference.count, using: &random))
                heap.remove(waits[gone.index])
                idle.append(gone.index)
            default:
                now += UInt64.random(in: 0..<5, using: &random)
                while let due = heap.popDue(now) {
                    let expected = reference.removeFirst()
                    #expect(due == waits[expected.index])
                    idle.append(expected.index)
                }
                #expect(reference.first.map { $0.deadline > now } ?? true)
            }
            #expect(heap.count == reference.count)
            #expect(heap.earliest == reference.first?.deadline ?? .max)
        }
        #expect(drain(&heap) == reference.map { waits[$0.index] })
    }
}
