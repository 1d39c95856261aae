import HTTPTypes

/// One exchange as derived from the seed and its number: the client's request, the upstream's misbehaviour, and what the
/// caller may get.
///
/// Client and upstream each derive the plan, so that an exchange can be replayed from its seed and its number.
struct HostilePlan: Sendable, CustomStringConvertible {
    /// What the caller may get. Any other result is a fault, and so is a result later than `patience`.
    enum Permitted: String, Sendable {
        /// The right response.
        case answer
        /// A `FetchError`.
        case error
        /// Either of the two.
        case answerOrError
    }

    let seed: UInt64
    let exchange: Int
    let transport: HostileUpstream.Transport
    let call: HostileCall
    /// The status of the response, if the caller gets one.
    let status: Int
    let body: [UInt8]
    let misbehaviour: Misbehaviour
    /// The request's timeout.
    let patience: Duration

    var permitted: Permitted { misbehaviour.permitted }
    var script: HostileScript { misbehaviour.script }
    /// The body of the request, or its part that exists.
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
                // A required response must not be late only because the machine is busy.
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
    /// The number of bytes of the request's body that exist.
    var uploadCount: Int {
        switch body {
        case .none: 0
        case .bytes(let count), .stream(let count, _, _), .stalled(let count, _, _): count
        }
    }
}
