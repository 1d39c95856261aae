// A loop around epoll(7) is the event loop, and a Tandem hub its guest. The hub takes over Swift's global executor, so that every
// task of the process runs on the loop's thread.
//
//     swift run --package-path Examples/embed epoll-guest
import EpollLoop
import Glibc
import GuestWork
import Synchronization
import Tandem

@main
struct EpollGuest {
    static func main() throws {
        let before = openDescriptors()
        try runGuest()
        print("descriptors left open:", openDescriptors() - before)
    }

    private static func runGuest() throws {
        let loop = try EpollLoop()
        var ticks = 0
        try loop.every(milliseconds: 10) { ticks += 1 }

        var configuration = HubConfiguration()
        // A poller that another loop can watch, whatever the environment asks for.
        configuration.poller = .epoll
        configuration.takesOverGlobalExecutor = true
        let guest = try GuestHub(configuration)
        let waiter = guest.hub.spawn { try await Event<Void>().wait() }
        let work = guest.hub.spawn {
            for work in GuestWork.allCases {
                try await work.run()
                print("\(work): done")
            }
            let isOnLoop = await Task.detached { isMainThread() }.value
            print("a detached task is on the loop's thread:", isOnLoop)
        }
        let isOver = Mutex(false)
        guest.hub.spawn {
            if case .failure(let error) = await work.result { print("failed: \(error)") }
            isOver.withLock { $0 = true }
        }
        // The program's own part: a turn of the hub when its descriptor is readable.
        try loop.watch(guest.fd) {
            guest.turn()
            if isOver.withLock({ $0 }) { loop.stop() }
        }
        try loop.run()
        print("the loop ticked meanwhile:", ticks >= 3)

        loop.forget(guest.fd)
        guest.stop()
        print("a task that waited was cancelled with the hub:", waiter.isCancelled)
    }

    private static func isMainThread() -> Bool { GreenThreadIdentity.osThread == Int(getpid()) }
}
