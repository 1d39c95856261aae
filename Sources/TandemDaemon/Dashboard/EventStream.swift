internal import HTTPTypes
internal import Synchronization
internal import Tandem
internal import TandemHTTP

/// `/debug/events`: the dashboard's data as server-sent events (HTML Living Standard, section 9.2), for as long as the client reads.
///
/// All viewers share one reading of each topic per tick. Once the buffers of the kernel are full, a client that reads slowly gets the newest
/// state, and misses those in between.
final class EventStream: Sendable {
    /// A kind of events.
    enum Topic: String, CaseIterable, Sendable {
        case state, routes, timeline, waiting, migration, bridges
    }

    /// The maximum number of viewers, so that probes always find a place among the connections of the admin listener.
    static let mostViewers = 8
    /// The seconds between two events of a topic that a viewer may ask for.
    static let intervals = [1, 2, 5, 15, 30]
    /// The number of ticks per second. The timeline is sent at each tick.
    private static let ticksPerSecond = 4
    /// The seconds after which a comment shows that the connection is alive.
    private static let silence = 15

    /// The number of viewers.
    private final class Count: Sendable {
        let number = Atomic<Int>(0)
    }

    /// A place among the viewers. It is given back with the last reference.
    private final class Viewer: Sendable {
        private let count: Count

        private init(_ count: Count) { self.count = count }

        /// Takes a place. An initializer must not throw here: `deinit` would run, and give back a place that was not taken.
        static func take(_ count: Count) throws(HTTPError) -> Viewer {
            guard count.number.wrappingAdd(1, ordering: .relaxed).oldValue < EventStream.mostViewers else {
                count.number.wrappingSubtract(1, ordering: .relaxed)
                throw HTTPError(
                    .serviceUnavailable, "\(EventStream.mostViewers) viewers are connected already: close one of them",
                    headers: [.retryAfter: "5"])
            }
            return Viewer(count)
        }

        deinit { count.number.wrappingSubtract(1, ordering: .relaxed) }
    }

    /// The last reading of a topic.
    private struct Reading: Sendable {
        var tick = Int.min
        var text: [UInt8] = []
    }

    private let viewers = Count()
    private let whileViewed: @Sendable () -> Void
    private let read: @Sendable (Topic) async throws -> [UInt8]
    private let readings = Mutex<[Topic: Reading]>([:])
    private let turns: [Topic: Semaphore]
    private let started = ContinuousClock.now

    /// - Parameters:
    ///   - whileViewed: Called several times per second while a viewer is connected.
    ///   - read: Reads a topic, as JSON on one line.
    init(
        whileViewed: @escaping @Sendable () -> Void = {}, _ read: @escaping @Sendable (Topic) async throws -> [UInt8]
    ) {
        self.whileViewed = whileViewed
        self.read = read
        turns = Dictionary(uniqueKeysWithValues: Topic.allCases.map { ($0, Semaphore(1)) })
    }

    /// Answers with the stream.
    @Sendable func answer(_ request: Request) async throws -> Response {
        let topics = try Self.topics(try request.query["topics"])
        let interval = try Self.interval(try request.query["every"])
        let viewer = try Viewer.take(viewers)
        let fields: HTTPFields = [
            .contentType: "text/event-stream", .cacheControl: "no-store", HTTPField.Name("X-Accel-Buffering")!: "no",
        ]
        return Response(
            headers: fields,
            streaming: { [self] writer in
                try await send(topics, every: interval, to: writer)
                withExtendedLifetime(viewer) {}
            })
    }

    private func send(_ topics: [Topic], every interval: Int, to writer: ResponseWriter) async throws {
        try await writer.write([UInt8]("retry: 2000\n\n".utf8))
        var sent: [Topic: Int] = [:]
        var id = 0
        var wroteAt = 0
        while !writer.draining.hasBegun {
            whileViewed()
            let tick = Int((ContinuousClock.now - started) / .seconds(1) * Double(Self.ticksPerSecond))
            for topic in topics {
                let period = topic == .timeline ? 1 : interval * Self.ticksPerSecond
                guard sent[topic].map({ tick / period > $0 / period }) ?? true else { continue }
                sent[topic] = tick
                id += 1
                wroteAt = tick
                let head = [UInt8]("id: \(id)\nevent: \(topic.rawValue)\ndata: ".utf8)
                try await writer.write(head + (try await text(of: topic, at: tick)) + [UInt8]("\n\n".utf8))
            }
            if tick - wroteAt >= Self.silence * Self.ticksPerSecond {
                wroteAt = tick
                try await writer.write([UInt8](": \n\n".utf8))
            }
            let next = Duration.seconds(Double(tick + 1) / Double(Self.ticksPerSecond))
            try await sleep(for: max(.zero, next - (ContinuousClock.now - started)))
        }
    }

    /// Returns a reading that was begun at this tick or later, or at the same second for topics that change slowly.
    private func text(of topic: Topic, at tick: Int) async throws -> [UInt8] {
        let period = topic == .timeline ? 1 : Self.ticksPerSecond
        return try await turns[topic]!.withPermit { [self] in
            if let known = readings.withLock({ $0[topic] }), known.tick / period >= tick / period { return known.text }
            let text = try await read(topic)
            readings.withLock { $0[topic] = Reading(tick: tick, text: text) }
            return text
        }
    }

    private static func topics(_ text: String?) throws -> [Topic] {
        let names = (text ?? Topic.state.rawValue).split(separator: ",", omittingEmptySubsequences: false)
        let all = Topic.allCases.map(\.rawValue).joined(separator: ", ")
        let topics = try names.map { name in
            guard let topic = Topic(rawValue: String(name)) else {
                throw HTTPError(
                    .badRequest, "topics: expected some of \(all), separated by commas, found \(quoted(String(name)))")
            }
            return topic
        }
        return Topic.allCases.filter(topics.contains)
    }

    private static func interval(_ text: String?) throws -> Int {
        guard let text else { return intervals[0] }
        guard let interval = intervals.first(where: { String($0) == text }) else {
            let all = intervals.map(String.init).joined(separator: ", ")
            throw HTTPError(.badRequest, "every: expected one of \(all), found \(quoted(text))")
        }
        return interval
    }
}
