// Fetches one URL repeatedly in one style, IN_FLIGHT at a time, and prints the fetches per second. The limit is
// Benchmarks/limit/curl_multi.c, which does the same.
import Measuring
import Tandem
import TandemFetch

let words = CommandLine.arguments
guard words.count == 5, let inFlight = Int(words[3]), let fetches = Int(words[4]), ["async", "blocking"].contains(words[1]) else {
    fatalError("usage: Fetches async|blocking URL IN_FLIGHT FETCHES")
}
let (style, url) = (words[1], words[2])

/// The number of fetches that have not begun. Used only on the hub.
final class Countdown: @unchecked Sendable {
    var left: Int

    init(_ left: Int) { self.left = left }

    func next() -> Bool {
        left -= 1
        return left >= 0
    }
}

try Hub.run {
    let (hub, client, countdown) = (Hub.current!, FetchClient(), Countdown(fetches))
    let start = nanoseconds()
    switch style {
    case "async":
        let tasks = (0..<inFlight).map { _ in hub.spawn { while countdown.next() { _ = try await client.get(url) } } }
        for task in tasks { try await task.value }
    default:
        let threads = (0..<inFlight).map { _ in GreenThread { while countdown.next() { _ = try client.get(url) } } }
        for thread in threads { try await thread.wait() }
    }
    print(text(Double(fetches) / (nanoseconds() - start) * 1e9))
}
