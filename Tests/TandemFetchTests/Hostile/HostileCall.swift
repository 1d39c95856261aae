import HTTPTypes

/// The client's side of one exchange: the request, and the behaviour of its caller.
struct HostileCall: Sendable {
    enum Body: Sendable {
        case none
        case bytes(Int)
        /// A stream of this many bytes, announced or chunked, with a producer of the caller's style.
        case stream(Int, isAnnounced: Bool, isRepeatable: Bool)
        /// A stream that stalls after its first bytes.
        case stalled(Int, of: Int, isAnnounced: Bool)

        /// The number of bytes that the upstream gets when it reads everything; nil if there is no end.
        var count: Int? {
            switch self {
            case .none: 0
            case .bytes(let count), .stream(let count, _, _): count
            case .stalled: nil
            }
        }
    }

    /// How the caller reads the response.
    enum Taking: Sendable {
        /// With `execute`.
        case whole
        /// With `stream`, to its end, with a pause before some of the pieces.
        case stream(pauseMicroseconds: Int)
        /// With `stream`, closed after this many pieces.
        case partial(Int)
    }

    let method: HTTPRequest.Method
    let body: Body
    let taking: Taking
    /// Whether a green thread fetches, or a task.
    let style: Style
    /// When the caller is cancelled; nil for never.
    let cancelMicroseconds: Int?
    let expectsContinue: Bool

    init(_ random: inout HostileRandom) {
        style = random.pick(Style.allCases)
        let length = random.pick([0, 1, 100, 1000, 5000, 20_000]) + random.below(30)
        let isAnnounced = random.chance(500)
        switch random.below(100) {
        case 0..<60: (method, body) = (.get, .none)
        case 60..<69: (method, body) = (.head, .none)
        case 69..<76: (method, body) = (random.pick([.post, .post, .put]), .bytes(length))
        case 76..<88:
            (method, body) = (
                random.pick([.post, .post, .put]),
                .stream(random.chance(30) ? 300_000 : length, isAnnounced: isAnnounced, isRepeatable: random.chance(500))
            )
        case 88..<91: (method, body) = (.post, .bytes(random.chance(200) ? 500_000 : length))
        case 91..<95:
            (method, body) = (random.pick([.post, .put]), .stalled(length, of: length + 1000, isAnnounced: isAnnounced))
        default: (method, body) = (.delete, .none)
        }
        switch random.below(100) {
        case 0..<50: taking = .whole
        case 50..<80: taking = .stream(pauseMicroseconds: 0)
        case 80..<92: taking = .stream(pauseMicroseconds: 200 + random.below(2000))
        default: taking = .partial(random.below(3))
        }
        cancelMicroseconds = random.chance(40) ? random.below(6000) : nil
        expectsContinue = if case .none = body { false } else { random.chance(60) }
    }

    /// Whether a client may send the request again when a kept connection turns out to be dead.
    var mayBeRepeated: Bool {
        guard method != .post else { return false }
        return switch body {
        case .none, .bytes: true
        case .stream(_, _, let isRepeatable): isRepeatable
        case .stalled: false
        }
    }

    var isStalled: Bool { if case .stalled = body { true } else { false } }
}
