/// A route's path, taken apart.
struct PathPattern: Sendable, Hashable, CustomStringConvertible {
    enum Segment: Sendable, Hashable {
        case literal(String)
        case parameter(String)
        case rest(String)
    }

    /// What is wrong with a path.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    let description: String
    let segments: [Segment]

    /// Takes "/users/{id}/files/{path...}" apart.
    init(_ path: String) throws(Malformed) {
        guard path.first == "/" else { throw Malformed(description: "route path \"\(path)\" must begin with \"/\"") }
        var segments: [Segment] = []
        var names: Set<String> = []
        for text in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            if case .rest = segments.last {
                throw Malformed(description: "route path \"\(path)\": \"{name...}\" must be the last segment")
            }
            guard text.first == "{" else {
                guard !text.contains(where: { "{}?#%".contains($0) }) else {
                    throw Malformed(
                        description: "route path \"\(path)\": segment \"\(text)\" is neither literal text nor one whole {name}")
                }
                segments.append(.literal(String(text)))
                continue
            }
            let inner = text.dropFirst().dropLast()
            let isRest = inner.hasSuffix("...")
            let name = String(isRest ? inner.dropLast(3) : inner)
            guard text.last == "}", !name.isEmpty, !name.contains(where: { "{}.".contains($0) }) else {
                throw Malformed(description: "route path \"\(path)\": segment \"\(text)\" is not of the form {name} or {name...}")
            }
            guard names.insert(name).inserted else {
                throw Malformed(description: "route path \"\(path)\" has {\(name)} twice")
            }
            segments.append(isRest ? .rest(name) : .parameter(name))
        }
        description = path
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
