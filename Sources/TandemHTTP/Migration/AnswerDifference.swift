/// A difference between the answers of a route's old and its new handler.
public struct AnswerDifference: Sendable, Hashable {
    /// A part of an answer.
    public struct Part: Sendable, Hashable, CustomStringConvertible {
        /// The kinds of parts.
        public enum Kind: String, Sendable, Hashable, CaseIterable {
            /// The status.
            case status
            /// A header field.
            case header
            /// The body, or a value in it.
            case body
            /// An error that the handler threw, or with which its stream ended.
            case error
        }

        /// The kind of the part.
        public let kind: Kind
        /// The name of a field; the place in a body, such as "/items/*/price". Empty if the part has no name.
        public let name: String

        /// Creates the name of a part. Of a long name it takes the first 200 characters.
        public init(_ kind: Kind, _ name: String = "") {
            self.kind = kind
            self.name = name.utf8.count <= 200 ? name : String(name.unicodeScalars.prefix(200)) + "…"
        }

        /// The kind and the name: "header Location", "body /items/*/price".
        public var description: String { name.isEmpty ? kind.rawValue : "\(kind.rawValue) \(name)" }
    }

    /// The way in which a part differs.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Only the old answer has the part.
        case missing
        /// Only the new answer has the part.
        case extra
        /// The values have different types.
        case type
        /// The values differ.
        case value
        /// The numbers of bytes or elements differ.
        case size
    }

    /// The part.
    public let part: Part
    /// How it differs.
    public let kind: Kind
    /// The difference without anything that a client sent or got, such as "200, 404" or "1024 bytes, 1020 bytes; from byte 17 on".
    public let shape: String
    /// The differing values, shortened. They may be personal data.
    public let excerpt: String

    /// Creates a difference.
    ///
    /// - Parameters:
    ///   - part: The part that differs.
    ///   - kind: How it differs.
    ///   - shape: The difference without data of a client.
    ///   - old: The old value, for `excerpt`, which takes its first 200 characters.
    ///   - new: The new value, likewise.
    public init(_ part: Part, _ kind: Kind, shape: String = "", old: String? = nil, new: String? = nil) {
        self.part = part
        self.kind = kind
        self.shape = shape
        excerpt = "\(Self.shortened(old)) → \(Self.shortened(new))"
    }

    private static func shortened(_ value: String?) -> String {
        guard let value else { return "none" }
        let start = value.unicodeScalars.prefix(200)
        return start.count < value.unicodeScalars.count ? "\(String(start))…" : value
    }
}

/// The result of comparing two answers, or two bodies.
public struct ComparisonResult: Sendable, Hashable {
    /// The maximum number of differences that a result has. Bodies whose members have names that clients choose may have any number.
    private static let most = 100

    /// The differences that count, one per part; at most 100.
    public private(set) var differences: [AnswerDifference] = []
    private var parts: Set<AnswerDifference.Part> = []
    /// The number of differences that were ignored, by the part and the reason that the comparison gives.
    public private(set) var ignored: [Ignored: Int] = [:]

    /// A part that a comparison ignores.
    public struct Ignored: Sendable, Hashable {
        /// The part.
        public let part: AnswerDifference.Part
        /// Why it may differ.
        public let reason: String

        /// Creates the name of an ignored part.
        public init(_ part: AnswerDifference.Part, because reason: String) {
            self.part = part
            self.reason = reason
        }
    }

    /// Creates a result without differences.
    public init() {}

    /// Adds a difference, unless the result has one of the same part, or 100.
    public mutating func add(_ difference: AnswerDifference) {
        guard differences.count < Self.most, parts.insert(difference.part).inserted else { return }
        differences.append(difference)
    }

    /// Counts a difference of a part that is ignored.
    public mutating func ignore(_ ignored: Ignored) { self.ignored[ignored, default: 0] += 1 }

    /// Adds all that `other` has.
    mutating func add(_ other: ComparisonResult) {
        for difference in other.differences { add(difference) }
        ignored.merge(other.ignored) { $0 + $1 }
    }
}
