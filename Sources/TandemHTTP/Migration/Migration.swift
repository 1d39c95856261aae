public import HTTPTypes

/// How a migrating route divides its requests between its old and its new handler.
///
/// Code sets the default per route (`RouteGroup.migrate`), and `MigrationConfiguration.routes` overrides it. All numbers are percent
/// from 0 to 100, with up to three decimals.
public struct Migration: Sendable, Hashable {
    /// The value that decides which clients get the new handler.
    public enum Key: Sendable, Hashable {
        /// The request's id. Each request is decided for itself; one that a proxy sends again with the same `X-Request-Id` is
        /// decided alike, if the server trusts that field (`ObservingConfiguration.trustsRequestID`).
        case request
        /// The client's address; of an IPv6 address the /64 network.
        case peer
        /// The value of this header field.
        case header(HTTPField.Name)
        /// The value of the cookie of this name.
        case cookie(String)
    }

    enum Mode: Sendable, Hashable {
        case old
        case shadow(sample: Share, control: Share)
        case percent(Share, Key)
        case new(verify: Share, control: Share)
    }

    let mode: Mode

    init(mode: Mode) { self.mode = mode }

    /// All requests go to the old handler.
    public static let old = Migration(mode: .old)

    /// All requests go to the new handler.
    public static let new = Migration(mode: .new(verify: .none, control: .none))

    /// All requests go to the old handler. After the answer to a sampled request has been sent, the new handler runs on a copy of
    /// the request, and the server compares the answers.
    public static let shadow = shadow()

    /// All requests go to the old handler. After the answer to a sampled request has been sent, the new handler runs on a copy of
    /// the request, and the server compares the answers.
    ///
    /// Traps if a number is not a percentage.
    ///
    /// - Parameters:
    ///   - sample: The percentage of requests that are sampled.
    ///   - control: The percentage of samples that run the old handler again in place of the new one. It shows which parts of an
    ///     answer differ from run to run, and how long a second run takes. With 0, each difference counts as one of the new handler.
    public static func shadow(sample: Double = 1, control: Double = 10) -> Migration {
        Migration(mode: .shadow(sample: Share(percent: sample), control: Share(percent: control)))
    }

    /// A stable share of requests goes to the new handler. A larger share only adds to those that a smaller one had chosen.
    /// Requests without the key, such as those without the cookie, go to the old handler until the share is 100.
    ///
    /// Traps if `share` is not a percentage.
    public static func percent(_ share: Double, by key: Key = .request) -> Migration {
        Migration(mode: .percent(Share(percent: share), key))
    }

    /// All requests go to the new handler. After the answer to a sampled request has been sent, the old handler runs on a copy of
    /// the request, and the server compares the answers.
    ///
    /// Traps if a number is not a percentage.
    ///
    /// - Parameters:
    ///   - verify: The percentage of requests that are sampled.
    ///   - control: The percentage of samples that run the new handler again in place of the old one.
    public static func new(verify: Double, control: Double = 10) -> Migration {
        Migration(mode: .new(verify: Share(percent: verify), control: Share(percent: control)))
    }

    /// Whether a second handler may run on a copy of a request.
    var runsShadows: Bool {
        switch mode {
        case .old, .percent: false
        case .shadow(let sample, _), .new(let sample, _): sample > .none
        }
    }

    /// The percentage of requests that get the new handler.
    public var newShare: Double {
        switch mode {
        case .old, .shadow: 0
        case .percent(let share, _): share.percent
        case .new: 100
        }
    }
}

/// The permission to run a second handler on copies of requests whose method is unsafe (RFC 9110 section 9.2.1), such as POST.
///
/// Only code can give it, because only someone who knows the handlers can know that a second run does no harm.
public struct UnsafeShadow: Sendable, Hashable {
    /// Why a second run does no harm.
    public let reason: String

    /// Creates a permission.
    ///
    /// - Parameter reason: Why a second run does no harm: "writes are idempotent by the order's number".
    public init(because reason: String) { self.reason = reason }
}

/// A percentage with three decimals.
struct Share: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Thousandths of a percent, from 0 to 100,000.
    let thousandths: UInt32

    static let none = Share(thousandths: 0)
    static let all = Share(thousandths: 100_000)

    private init(thousandths: UInt32) { self.thousandths = thousandths }

    /// Traps if the number is not a percentage.
    init(percent: Double) {
        guard (0...100).contains(percent) else { fatalError("\(percent) is not a percentage from 0 to 100") }
        thousandths = UInt32((percent * 1000).rounded())
    }

    /// Reads digits with up to three decimals. Returns nil for anything else, and for more than 100.
    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { 0x30...0x39 ~= $0 } }), parts[0].utf8.count <= 3,
            let whole = UInt32(parts[0])
        else { return nil }
        var thousandths = whole * 1000
        if parts.count == 2 {
            guard parts[1].utf8.count <= 3, var fraction = UInt32(parts[1]) else { return nil }
            for _ in parts[1].utf8.count..<3 { fraction *= 10 }
            thousandths += fraction
        }
        guard thousandths <= 100_000 else { return nil }
        self.init(thousandths: thousandths)
    }

    var percent: Double { Double(thousandths) / 1000 }

    /// The text that `init(_:)` reads, without zeros at the end.
    var description: String {
        guard !thousandths.isMultiple(of: 1000) else { return String(thousandths / 1000) }
        var fraction = String(String(thousandths % 1000 + 1000).dropFirst())
        while fraction.last == "0" { fraction.removeLast() }
        return "\(thousandths / 1000).\(fraction)"
    }

    static func < (left: Share, right: Share) -> Bool { left.thousandths < right.thousandths }
}
