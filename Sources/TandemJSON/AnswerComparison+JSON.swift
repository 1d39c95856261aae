public import TandemHTTP

extension AnswerComparison {
    /// Compares bodies as JSON, value by value. The order of members, white space, escapes and the notation of numbers make no
    /// difference. Bodies that are not JSON by RFC 8259 are compared byte by byte.
    public static let json = AnswerComparison.exact.json()

    /// Returns a comparison that compares bodies as JSON; see `json`.
    public func json() -> AnswerComparison {
        var copy = self
        copy.bodies = bodies as? JSONBodies ?? JSONBodies()
        return copy
    }

    /// Returns a comparison that compares bodies as JSON, and ignores some of the values. It counts how often those differed.
    ///
    ///     .json.json(ignoring: "/generatedAt", because: "clock").json(ignoring: "/items/*/id", because: "random")
    ///
    /// - Parameters:
    ///   - paths: JSON Pointers (RFC 6901) to values, which are ignored with all that they contain. `*` stands for each element of an
    ///     array, and for each member of an object.
    ///   - reason: Why the values may differ. The report shows the reason.
    public func json(ignoring paths: String..., because reason: String) -> AnswerComparison {
        var rules = bodies as? JSONBodies ?? JSONBodies()
        rules.ignore(paths, because: reason)
        var copy = self
        copy.bodies = rules
        return copy
    }
}

/// A comparison of JSON texts. Parts are named by JSON Pointers, with `*` for the index of an element.
struct JSONBodies: BodyComparing {
    private struct Rule {
        let path: String
        let steps: [Substring]
        let reason: String

        /// Whether the rule names the value at these steps, or one that contains it.
        func covers(_ path: [Substring]) -> Bool {
            steps.count <= path.count && zip(steps, path).allSatisfy { $0 == "*" || $0 == $1 }
        }
    }

    private var rules: [Rule] = []

    mutating func ignore(_ paths: [String], because reason: String) {
        for path in paths {
            guard path.first == "/" else { fatalError("\"\(path)\" is not a JSON Pointer, such as /items/*/id") }
            rules.append(Rule(path: path, steps: Self.steps(path), reason: reason))
        }
    }

    func compare(_ old: [UInt8], _ new: [UInt8]) -> ComparisonResult {
        guard let oldText = try? JSONScanner.scan(old, maximumDepth: maximumDepth),
            let newText = try? JSONScanner.scan(new, maximumDepth: maximumDepth)
        else { return ExactBodies().compare(old, new) }
        var result = ComparisonResult()
        compare(Value(oldText, 0), Value(newText, 0), "", &result)
        return result
    }

    private func compare(_ old: Value?, _ new: Value?, _ path: String, _ result: inout ComparisonResult) {
        if let difference = Self.kind(old, new) { return add(difference, old, new, path, &result) }
        guard let old, let new else { return }
        switch old.kind {
        case .array:
            for (old, new) in zip(old.elements, new.elements) { compare(old, new, path + "/*", &result) }
        case .object:
            var others = new.members
            for (name, value) in old.members.sorted(by: { $0.key < $1.key }) {
                compare(value, others.removeValue(forKey: name), path + "/" + Self.escaped(name), &result)
            }
            for (name, value) in others.sorted(by: { $0.key < $1.key }) {
                compare(nil, value, path + "/" + Self.escaped(name), &result)
            }
        default: break
        }
    }

    /// Returns how two values differ, without what they contain; nil if they do not.
    private static func kind(_ old: Value?, _ new: Value?) -> AnswerDifference.Kind? {
        guard let new else { return old == nil ? nil : .missing }
        guard let old else { return .extra }
        guard old.type == new.type else { return .type }
        switch old.kind {
        case .array: return old.count == new.count ? nil : .size
        case .object: return nil
        case .number:
            let (one, other) = (old.text, new.text)
            if one.utf8.elementsEqual(other.utf8) { return nil }
            guard let first = Double(one), let second = Double(other), first.isFinite, first != 0 else { return .value }
            return first == second && one.utf8.count <= 15 && other.utf8.count <= 15 ? nil : .value
        // By bytes: Swift's == takes different encodings of one character for equal.
        default: return old.text.utf8.elementsEqual(new.text.utf8) ? nil : .value
        }
    }

    private func add(
        _ kind: AnswerDifference.Kind, _ old: Value?, _ new: Value?, _ path: String, _ result: inout ComparisonResult
    ) {
        let steps = Self.steps(path)
        if let rule = rules.first(where: { $0.covers(steps) }) {
            return result.ignore(.init(.init(.body, rule.path), because: rule.reason))
        }
        let shape = "\(old?.shape ?? "none"), \(new?.shape ?? "none")"
        result.add(.init(.init(.body, path.isEmpty ? "/" : path), kind, shape: shape, old: old?.text, new: new?.text))
    }

    private static func steps(_ path: String) -> [Substring] {
        Array(path.split(separator: "/", omittingEmptySubsequences: false).dropFirst())
    }

    /// Escapes the name of a member for a JSON Pointer.
    private static func escaped(_ name: String) -> String {
        var text = ""
        for character in name {
            switch character {
            case "~": text += "~0"
            case "/": text += "~1"
            default: text.append(character)
            }
        }
        return text
    }
}

/// One value of a JSON text.
private struct Value {
    private let document: JSONDocument
    private let node: Int

    init(_ document: JSONDocument, _ node: Int) {
        self.document = document
        self.node = node
    }

    var kind: JSONDocument.Kind { document.nodes[node].kind }

    /// The number of elements or members.
    var count: Int { document.nodes[node].count }

    /// The name of the type, as JSON has it.
    var type: String {
        switch kind {
        case .null: "null"
        case .true, .false: "boolean"
        case .number: "number"
        case .string, .encodedString: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    /// The type and the size, without the content.
    var shape: String {
        switch kind {
        case .array: "array of \(count)"
        case .object: "object of \(count)"
        case .string, .encodedString: "string of \(text.utf8.count) bytes"
        default: type
        }
    }

    /// The content of a string, or the text of another scalar.
    var text: String {
        switch kind {
        case .null: "null"
        case .true: "true"
        case .false: "false"
        case .array, .object: shape
        case .number, .string, .encodedString: document.text(of: node)
        }
    }

    /// The elements of an array.
    var elements: [Value] {
        var (elements, next): ([Value], Int) = ([], node + 1)
        for _ in 0..<count {
            elements.append(Value(document, next))
            next = document.after(next)
        }
        return elements
    }

    /// The members of an object.
    var members: [String: Value] {
        var (members, name): ([String: Value], Int) = ([:], node + 1)
        for _ in 0..<count {
            members[document.text(of: name)] = Value(document, name + 1)
            name = document.after(name + 1)
        }
        return members
    }
}
