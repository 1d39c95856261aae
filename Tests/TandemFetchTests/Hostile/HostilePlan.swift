import HTTPTypes

/// One exchange as it follows from the seed and its number: what the client asks, how the upstream misbehaves, and what the
/// caller may get.
///
/// Client and upstream each make the plan for themselves, so that an exchange can be replayed from its seed and its number.
struct HostilePlan: Sendable, CustomStringConvertible {
    /// What the caller may get. Whatever else it gets, or later than `patience`, is a fault.
    enum Permitted: String, Sendable {
        /// The right answer.
        case answer
        /// A `FetchError`.
        case error
        /// Either.
        case answerOrError
    }

    let seed: UInt64
    let exchange: Int
    let transport: HostileUpstream.Transport
    let call: HostileCall
    /// The answer that the caller gets if it gets one.
    let status: Int
    let body: [UInt8]
    let misbehaviour: Misbehaviour
    /// The time that the request gets.
    let patience: Duration

    var permitted: Permitted { misbehaviour.permitted }
    var script: HostileScript { misbehaviour.script }
    /// The body of the request, or what comes of it.
    var upload: [UInt8] { HostileContent.bytes(exchange ^ 0x7fff_ffff, call.uploadCount) }

    init(seed: UInt64, exchange: Int) {
        var random = HostileRandom(seed: seed, stream: exchange)
        self.seed = seed
        self.exchange = exchange
        transport = random.pick([.plain, .plain, .tls13, .tls12])
        call = HostileCall(&random)
        let answer = HostileAnswer(exchange, headAlone: call.method == .head, &random)
        var misbehaviour = Misbehaviour.draw(for: call, answer, exchange, isTLS: transport != .plain, &random)
        if call.body.count != nil {
            misbehaviour.script.expectedBody = HostileContent.bytes(exchange ^ 0x7fff_ffff, call.uploadCount)
        }
        self.misbehaviour = misbehaviour
        (status, body) = (misbehaviour.status ?? answer.status, misbehaviour.body ?? answer.body)
        patience =
            if misbehaviour.isSlow {
                .milliseconds(300)
            } else if misbehaviour.permitted == .answer, !call.isStalled {
                // An answer that has to come must not be late only because the machine is busy.
                .seconds(10)
            } else {
                .seconds(2)
            }
    }

    var description: String {
        "exchange \(exchange) of seed \(seed): \(transport.rawValue), \(call.method) \(call.body) \(call.style) \(call.taking)"
            + (call.cancelMicroseconds.map { ", cancelled after \($0) µs" } ?? "") + (call.expectsContinue ? ", Expect" : "")
            + "; \(status), \(body.count) bytes; \(misbehaviour.name); permitted: \(permitted)"
    }
}

extension HostileCall {
    /// How many bytes of the request's body exist.
    var uploadCount: Int {
        switch body {
        case .none: 0
        case .bytes(let count), .stream(let count, _, _), .stalled(let count, _, _): count
        }
    }
}
