internal import Glibc
internal import Synchronization
internal import Tandem
internal import TandemHTTP

/// `/debug/trace?seconds=5`: what the hubs do in the next seconds, as a trace that Perfetto opens.
final class TraceRoute: Sendable {
    /// The lengths of a trace that a request may ask for, in seconds.
    static let lengths = 1...30

    private let service: String
    private let hubs: @Sendable () -> [Hub]
    private let inquiry: HubInquiry
    private let isBusy = Atomic<Bool>(false)

    /// Creates the route.
    ///
    /// - Parameters:
    ///   - service: The name and version of the service.
    ///   - hubs: Returns the hubs to record.
    ///   - inquiry: Asks the hubs.
    init(service: String, hubs: @escaping @Sendable () -> [Hub], asking inquiry: HubInquiry) {
        self.service = service
        self.hubs = hubs
        self.inquiry = inquiry
    }

    /// Records, and answers with the trace. One request at a time: others are answered 503.
    @Sendable func answer(_ request: Request) async throws -> Response {
        let seconds = try request.query["seconds"].map(Self.seconds) ?? 5
        guard !isBusy.exchange(true, ordering: .relaxed) else {
            throw HTTPError(.serviceUnavailable, "another request records a trace: there is one at a time")
        }
        defer { isBusy.store(false, ordering: .relaxed) }
        let recording = try await FlightRecording(hubs(), for: .seconds(seconds), asking: inquiry)
        let service = service
        // Takes up to a second, so it must not run on a hub.
        let pieces = try await offload { ChromeTrace(recording, service: service, process: Int(getpid())).pieces }
        return Response(
            headers: [
                .contentType: "application/json", .cacheControl: "no-store",
                .contentDisposition: #"attachment; filename="trace.json""#,
            ],
            streaming: { writer in
                for piece in pieces { try await writer.write(piece) }
            })
    }

    private static func seconds(_ text: String) throws -> Int {
        guard let seconds = Int(text), lengths ~= seconds else {
            throw HTTPError(
                .badRequest,
                "seconds: expected a number from \(lengths.lowerBound) to \(lengths.upperBound), found \(quoted(text))")
        }
        return seconds
    }
}
