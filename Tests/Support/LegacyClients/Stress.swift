import Foundation
import Glibc
import Synchronization
import Tandem

/// Green threads of two hubs and OS threads pass items through one-slot buffers, and count under locks. Nothing may be lost, and
/// never may two be inside.
enum Stress {
    static let threads = 8

    static func run(handOffs: Int) throws {
        let mutex = PthreadMutex(), recursive = PthreadMutex(PTHREAD_MUTEX_RECURSIVE)
        try measure("mutex and condition", handOffs, Slot(mutex))
        try measure("recursive mutex and condition", handOffs, Slot(recursive))
        try measure("semaphores", handOffs, Semaphores())
        try count("Mutex of Swift", handOffs)
    }

    /// A buffer for one item.
    protocol Buffer: Sendable {
        func put(_ item: Int)
        func take() -> Int
    }

    /// Half of all threads put, half take.
    private static func measure(_ name: String, _ handOffs: Int, _ buffer: some Buffer) throws {
        let each = handOffs / (threads * 3 / 2)
        let sum = Atomic(0)
        try everywhere(name) { index in
            for item in 1...each {
                if index % 2 == 0 { buffer.put(item) } else { sum.add(buffer.take(), ordering: .relaxed) }
            }
        }
        let expected = (threads * 3 / 2) * each * (each + 1) / 2
        try check(sum.load(ordering: .relaxed) == expected, "\(name): items were lost")
    }

    private static func count(_ name: String, _ handOffs: Int) throws {
        let each = handOffs / (threads * 3)
        let total = Mutex(0)
        let inside = Atomic(0)
        try everywhere(name) { _ in
            for turn in 0..<each {
                total.withLock { total in
                    precondition(inside.add(1, ordering: .relaxed).newValue == 1, "two are inside")
                    total += 1
                    if turn % 1_000 == 0 { usleep(10) }
                    inside.subtract(1, ordering: .relaxed)
                }
            }
        }
        try check(total.withLock { $0 } == each * threads * 3, "\(name): counts were lost")
    }

    /// Runs `body` on eight green threads of each of two hubs, and on eight OS threads.
    private static func everywhere(_ name: String, _ body: @escaping @Sendable (Int) -> Void) throws {
        let clock = ContinuousClock()
        let time = try clock.measure {
            let group = try HubGroup(count: 2)
            let done = DispatchSemaphore(value: 0)
            let green = group.hubs.enumerated().flatMap { number, hub in
                (0..<threads).map { index in GreenThread(on: hub) { body(number * threads + index) } }
            }
            for index in 0..<threads {
                Thread.detachNewThread {
                    body(2 * threads + index)
                    done.signal()
                }
            }
            for thread in green { try thread.wait() }
            for _ in 0..<threads { done.wait() }
            group.shutdown()
        }
        print("\(name): \(time)")
    }

    // @unchecked: the item is used only with the mutex locked.
    private final class Slot: Buffer, @unchecked Sendable {
        private let mutex: PthreadMutex
        private let hasItem = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private let hasRoom = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        private var item = 0

        init(_ mutex: PthreadMutex) {
            self.mutex = mutex
            pthread_cond_init(hasItem, nil)
            pthread_cond_init(hasRoom, nil)
        }

        func put(_ new: Int) {
            pthread_mutex_lock(mutex.mutex)
            while item != 0 { pthread_cond_wait(hasRoom, mutex.mutex) }
            item = new
            pthread_cond_signal(hasItem)
            pthread_mutex_unlock(mutex.mutex)
        }

        func take() -> Int {
            pthread_mutex_lock(mutex.mutex)
            defer { pthread_mutex_unlock(mutex.mutex) }
            while item == 0 { pthread_cond_wait(hasItem, mutex.mutex) }
            defer { item = 0 }
            pthread_cond_signal(hasRoom)
            return item
        }
    }

    // @unchecked: the item is used only between the two semaphores.
    private final class Semaphores: Buffer, @unchecked Sendable {
        private let items = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        private let room = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        private var item = 0

        init() {
            sem_init(items, 0, 0)
            sem_init(room, 0, 1)
        }

        func put(_ new: Int) {
            sem_wait(room)
            item = new
            sem_post(items)
        }

        func take() -> Int {
            sem_wait(items)
            defer { sem_post(room) }
            return item
        }
    }
}
