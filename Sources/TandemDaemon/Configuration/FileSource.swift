internal import TandemHTTP
internal import Yams

extension ConfigurationSource {
    /// Reads the values of a YAML file. Its keys are nested: `http:`, and indented below it `port: 8080`.
    init(_ schema: SettingsSchema, yaml text: String, path: String) {
        self.init(schema)
        read(text, path)
    }

    private mutating func read(_ text: String, _ path: String) {
        do {
            guard let root = try Parser(yaml: text).singleRoot() else { return }
            guard let mapping = root.mapping else {
                return note(.invalidYAML, "expected keys and values, as in http:, and indented below it port: 8080", at: path)
            }
            walk(mapping, prefix: "", path: path)
        } catch {
            let (line, message) = describe(error)
            note(.invalidYAML, "not valid YAML: \(message)", at: line.map { "\(path):\($0)" } ?? path)
        }
    }

    private mutating func walk(_ mapping: Node.Mapping, prefix: String, path: String) {
        for (name, value) in mapping {
            let place = "\(path):\((name.mark ?? value.mark)?.line ?? 1)"
            guard let name = name.string else {
                note(.invalidYAML, "expected a name as the key\(prefix.isEmpty ? "" : " below \(prefix.dropLast())")", at: place)
                continue
            }
            let key = prefix + name
            if let setting = schema[key] {
                take(value, for: setting, at: place)
            } else if schema.hasGroup(key) {
                if let group = value.mapping {
                    walk(group, prefix: key + ".", path: path)
                } else if !value.isEmpty {
                    note(.wrongType, "\(key): expected keys indented below it, found \(value.described)", at: place)
                }
            } else {
                note(.unknownKey, "\(key): unknown key\(suggestion(for: key, among: schema.settings.map(\.key)))", at: place)
            }
        }
    }

    private mutating func take(_ node: Node, for setting: Setting, at place: String) {
        switch (setting.kind, node) {
        case (.list, .sequence(let items)):
            let texts = items.compactMap { $0.isEmpty ? nil : $0.scalar?.string }
            guard texts.count == items.count else { break }
            return take(texts, for: setting, at: place)
        case (.integer, .scalar(let scalar)) where scalar.style == .plain && !node.isEmpty,
            (.boolean, .scalar(let scalar)) where scalar.style == .plain && !node.isEmpty,
            (.text, .scalar(let scalar)) where !node.isEmpty:
            return take([scalar.string], for: setting, at: place)
        default: break
        }
        refuse(.wrongType, setting, found: node.described, at: place)
    }

    private func describe(_ error: any Error) -> (line: Int?, message: String) {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            (mark.line, problem)
        case .duplicatedKeysInMapping(let keys, let context):
            (context.mark.line, "a key stands twice: \(keys.joined(separator: ", "))")
        case .reader(let problem, _, _, _): (nil, problem)
        default: (nil, "\(error)")
        }
    }
}

extension Node {
    /// Whether the node has no value: nothing, `~` or `null`.
    fileprivate var isEmpty: Bool {
        guard let scalar, scalar.style == .plain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// A description of the node that completes "found …".
    fileprivate var described: String {
        switch self {
        case .scalar where isEmpty: "nothing"
        case .scalar(let scalar): scalar.style == .plain ? quoted(scalar.string) : "the text \(quoted(scalar.string))"
        case .mapping: "keys below it"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}
