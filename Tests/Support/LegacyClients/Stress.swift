import Foundation
import Glibc
import Synchronization
import Tandem

/// Green threads of two hubs and OS threads pass items through one-slot buffers, and count under locks. Nothing may be lost, and
/// never may two be inside.
enum Stress {
    static let threads = 8

    /// The seed decides when a thread yields, sleeps or computes while it holds a lock or between two hand-offs.
    static func run(handOffs: Int, seed: UInt64) throws {
        print("seed \(seed)")
        let mutex = PthreadMutex(), recursive = PthreadMutex(PTHREAD_MUTEX_RECURSIVE)
        try measure("mutex and condition", handOffs, seed, Slot(mutex))
        try measure("recursive mutex and condition", handOffs, seed, Slot(recursive))
        try measure("semaphores", handOffs, seed, Semaphores())
        try measure("pipe", handOffs, seed, Pipe())
        try count("Mutex of Swift", handOffs, seed)
        try readAndWrite("reader-writer lock", handOffs, seed)
    }

    /// Disturbs the order of the threads, by a generator of its own for each thread.
    struct Disturbance {
        private var state: UInt64

        init(_ seed: UInt64, _ thread: Int) { state = (seed &+ UInt64(thread) &+ 1) &* 0x9E37_79B9_7F4A_7C15 }

        mutating func callAsFunction() {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            switch state % 4_000 {
            case 0: usleep(10)
            case 1...10: sched_yield()
            case 11...20: for _ in 0..<1_000 { state = state &* 6_364_136_223_846_793_005 &+ 1 }
            default: break
            }
        }
    }

    /// A buffer for one item.
    protocol Buffer: Sendable {
        func put(_ item: Int)
        func take() -> Int
    }

    /// Half of all threads put, half take.
    private static func measure(_ name: String, _ handOffs: Int, _ seed: UInt64, _ buffer: some Buffer) throws {
        let each = handOffs / (threads * 3 / 2)
        let sum = Atomic(0)
        try everywhere(name) { index in
            var disturb = Disturbance(seed, index)
            for item in 1...each {
                disturb()
                if index % 2 == 0 { buffer.put(item) } else { sum.add(buffer.take(), ordering: .relaxed) }
            }
        }
        let expected = (threads * 3 / 2) * each * (each + 1) / 2
        try check(sum.load(ordering: .relaxed) == expected, "\(name): items were lost")
    }

    private static func count(_ name: String, _ handOffs: Int, _ seed: UInt64) throws {
        let each = handOffs / (threads * 3)
        let total = Mutex(0)
        let inside = Atomic(0)
        try everywhere(name) { index in
            var disturb = Disturbance(seed, index)
            for _ in 0..<each {
                total.withLock { total in
                    precondition(inside.add(1, ordering: .relaxed).newValue == 1, "two are inside")
                    total += 1
                    disturb()
                    inside.subtract(1, ordering: .relaxed)
                }
            }
        }
        try check(total.withLock { $0 } == each * threads * 3, "\(name): counts were lost")
    }

    /// One thread in four writes. No reader sees a writer inside.
    private static func readAndWrite(_ name: String, _ handOffs: Int, _ seed: UInt64) throws {
        let each = handOffs / (threads * 3)
        let lock = PthreadRWLock()
        let writers = Atomic(0), readers = Atomic(0), written = Atomic(0)
        try everywhere(name) { index in
            var disturb = Disturbance(seed, index)
            for _ in 0..<each {
                if index % 4 == 0 {
                    precondition(pthread_rwlock_wrlock(lock.lock) == 0)
                    precondition(writers.add(1, ordering: .relaxed).newValue == 1, "two write")
                    precondition(readers.load(ordering: .relaxed) == 0, "one reads while another writes")
                    disturb()
                    written.add(1, ordering: .relaxed)
                    writers.subtract(1, ordering: .relaxed)
                } else {
                    precondition(pthread_rwlock_rdlock(lock.lock) == 0)
                    readers.add(1, ordering: .relaxed)
                    precondition(writers.load(ordering: .relaxed) == 0, "one writes while another reads")
                    disturb()
                    readers.subtract(1, ordering: .relaxed)
                }
                precondition(pthread_rwlock_unlock(lock.lock) == 0)
            }
        }
        try check(written.load(ordering: .relaxed) == each * threads * 3 / 4, "\(name): counts were lost")
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

    /// Records of eight bytes in a pipe: a writer waits when it is full, a reader when it is empty.
    private final class Pipe: Buffer, Sendable {
        private let reader: CInt, writer: CInt

        init() {
            var pair: [CInt] = [-1, -1]
            precondition(pipe(&pair) == 0)
            (reader, writer) = (pair[0], pair[1])
            // The smallest that there is, so that it is full often.
            _ = fcntl(writer, 1031 /* F_SETPIPE_SZ */, 4_096)
        }

        deinit { [reader, writer].forEach { close($0) } }

        func put(_ item: Int) {
            var item = item
            precondition(write(writer, &item, 8) == 8)
        }

        func take() -> Int {
            var item = 0
            precondition(read(reader, &item, 8) == 8)
            return item
        }
    }
}
