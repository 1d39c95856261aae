internal import Glibc
internal import HTTPTypes
internal import Synchronization
internal import Tandem
internal import TandemHTTP

/// `/debug/trace?seconds=5`: what the hubs do in the next seconds, as a trace that Perfetto opens.
final class TraceRoute: Sendable {
    /// The lengths of a trace that a request may ask for, in seconds.
    static let lengths = 1...30

    private static let fields: HTTPFields = [
        .contentType: "application/json", .cacheControl: "no-store",
        .contentDisposition: #"attachment; filename="trace.json""#,
    ]

    /// The right to record, which one request at a time has. It is given back with the last reference: when the answer has been sent,
    /// or nobody reads it any more.
    private final class Turn: Sendable {
        private static let isTaken = Atomic<Bool>(false)

        private init() {}

        /// Takes the right. An initializer must not throw here: `deinit` would run, and give back what another request has.
        static func take() throws(HTTPError) -> Turn {
            guard !isTaken.exchange(true, ordering: .relaxed) else {
                throw HTTPError(.serviceUnavailable, "another request records or reads a trace: there is one at a time")
            }
            return Turn()
        }

        deinit { Self.isTaken.store(false, ordering: .relaxed) }
    }

    private let service: String
    private let hubs: @Sendable () -> [Hub]
    private let inquiry: HubInquiry

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

    /// Records, and answers with the trace.
    @Sendable func answer(_ request: Request) async throws -> Response {
        let seconds = try request.query["seconds"].map(Self.seconds) ?? 5
        guard request.method != .head else { return Response(headers: Self.fields) }
        let turn = try Turn.take()
        let recording = try await FlightRecording.record(hubs(), for: .seconds(seconds), asking: inquiry)
        let service = service
        // Takes seconds on a busy machine, so it must not run on a hub.
        let trace = try await offload { ChromeTrace(recording, service: service, process: Int(getpid())) }
        return Response(
            headers: Self.fields,
            streaming: { writer in
                for index in 0..<trace.pieceCount {
                    try await writer.write(try await offload { trace.piece(index) })
                }
                withExtendedLifetime(turn) {}
            })
    }

    private static func seconds(_ text: String) throws -> Int {
        guard text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), !text.hasPrefix("0"),
            let seconds = Int(text),
            lengths ~= seconds
        else {
            throw HTTPError(
                .badRequest,
                "seconds: expected a number from \(lengths.lowerBound) to \(lengths.upperBound), found \(quoted(text))")
        }
        return seconds
    }
}
