/// A route's path, parsed into segments.
struct PathPattern: Sendable, Hashable, CustomStringConvertible {
    enum Segment: Sendable, Hashable {
        case literal(String)
        case parameter(String)
        case rest(String)
    }

    enum Use: String {
        case route = "route path"
        case groupPrefix = "group prefix"
    }

    /// The reason why a path was refused.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    /// The whole path.
    let description: String
    let segments: [Segment]

    /// Parses a path such as "/users/{id}/files/{path...}", which follows the prefix of a group.
    init(_ path: String, in prefix: String = "", as use: Use = .route) throws(Malformed) {
        let whole = prefix + path
        let subject = "\(use.rawValue) \"\(whole)\""
        guard path.first == "/" || path.isEmpty && !prefix.isEmpty else {
            throw Malformed(description: "\(use.rawValue) \"\(path)\" must begin with \"/\"")
        }
        var segments: [Segment] = []
        var names: Set<String> = []
        for text in whole.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            if case .rest = segments.last {
                throw Malformed(description: "\(subject): \"{name...}\" must be the last segment")
            }
            guard text.first == "{" else {
                guard !text.contains(where: { "{}?#%".contains($0) }) else {
                    throw Malformed(
                        description: "\(subject): segment \"\(text)\" is neither literal text nor one whole {name}")
                }
                segments.append(.literal(String(text)))
                continue
            }
            let inner = text.dropFirst().dropLast()
            let isRest = inner.hasSuffix("...")
            let name = String(isRest ? inner.dropLast(3) : inner)
            guard text.last == "}", !name.isEmpty, !name.contains(where: { "{}.".contains($0) }) else {
                throw Malformed(description: "\(subject): segment \"\(text)\" is not of the form {name} or {name...}")
            }
            guard names.insert(name).inserted else {
                throw Malformed(description: "\(subject) has {\(name)} twice")
            }
            segments.append(isRest ? .rest(name) : .parameter(name))
        }
        if use == .groupPrefix {
            if case .rest = segments.last {
                throw Malformed(description: "\(subject): only a route may have a \"{name...}\" segment")
            }
            guard segments.last != .literal("") else { throw Malformed(description: "\(subject) must not end with \"/\"") }
        }
        description = whole
        self.segments = segments
    }

    /// The names of its named segments, in order.
    var names: [String] {
        segments.compactMap {
            switch $0 {
            case .literal: nil
            case .parameter(let name), .rest(let name): name
            }
        }
    }

    /// Whether every segment is literal.
    var isLiteral: Bool {
        segments.allSatisfy { if case .literal = $0 { true } else { false } }
    }
}
