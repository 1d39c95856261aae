internal import Glibc

/// A signal that one OS thread blocks for. Each `set` lets one `wait` return, also a later one.
// @unchecked: a semaphore may be used from any thread, and the last owner frees it.
final class ThreadEvent: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func set() { sem_post(semaphore) }

    func wait() {
        while sem_wait(semaphore) != 0 {}
    }
}
