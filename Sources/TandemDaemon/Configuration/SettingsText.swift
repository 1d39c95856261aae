extension Configured {
    /// The current values as a YAML file that can be loaded again. A comment after each value names its source.
    var yaml: String {
        var tree = YAMLTree()
        for setting in schema.settings {
            let value = tree.line(for: setting, setting.isSecret && places[setting.key] != nil ? ["…"] : texts(of: setting))
            let padding = String(repeating: " ", count: max(2, 48 - value.count))
            tree.lines.append("\(value)\(padding)# \(places[setting.key] ?? "default")")
        }
        return tree.lines.joined(separator: "\n")
    }
}

extension SettingsSchema {
    /// A YAML file with every key at its default. Comments give the purpose of each key, its values, when a change takes effect,
    /// and its variable and option.
    var commentedYAML: String {
        var tree = YAMLTree()
        tree.lines = comment(
            """
            The configuration of \(name), with the default of every key. Options override variables, which override this file, \
            which overrides the defaults. `\(name) check-config` checks all of them and prints the result. `\(name) settings` \
            prints this file.
            """, depth: 0)
        tree.lines += comment(
            """
            \(name) reads the file that --config or \(fileVariable) names, otherwise \(defaultPaths.joined(separator: " or ")). \
            An unknown key is an error, and so is a variable that begins with \(variablePrefix) and belongs to no key, except those \
            that Kubernetes and Docker set. In the variable of a list, commas separate the items.
            """, depth: 0)
        tree.lines += comment(
            """
            SIGHUP reloads the file. Each key says when a change takes effect: after a reload, or at a restart.
            """, depth: 0)
        for setting in settings {
            let opened = tree.open(setting.groups)
            for (depth, group) in opened {
                // A blank line separates each group from the lines before it.
                tree.lines.append("")
                let key = setting.groups[...depth].joined(separator: ".")
                let note = DaemonSettings.groups.first { $0.key == key }?.note
                tree.lines += note.map { comment($0, depth: depth) } ?? []
                tree.lines.append(YAMLTree.indent(depth) + group + ":")
            }
            if opened.isEmpty { tree.lines.append("") }
            let depth = setting.groups.count
            tree.lines += comment(setting.note, depth: depth)
            tree.lines += comment("Takes \(setting.expectation). A change takes effect \(setting.effect.text).", depth: depth)
            tree.lines += comment(names(of: setting), depth: depth)
            tree.lines.append(tree.line(for: setting, setting.defaultTexts))
        }
        return tree.lines.joined(separator: "\n") + "\n"
    }

    /// A table of all keys in Markdown.
    var markdownTable: String {
        var lines = ["| key | default | takes | a change takes effect |", "| --- | --- | --- | --- |"]
        for setting in settings {
            let value = YAMLTree.value(setting, setting.defaultTexts)
            lines.append("| `\(setting.key)` | `\(value)` | \(setting.expectation) | \(setting.effect.text) |")
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func names(of setting: Setting) -> String {
        variable(of: setting) + (setting.flag.map { ", \($0)" } ?? "")
    }

    /// Breaks a text into comment lines of at most 120 columns.
    private func comment(_ text: String, depth: Int) -> [String] {
        let start = YAMLTree.indent(depth) + "#"
        var lines = [start]
        for word in text.split(whereSeparator: \.isWhitespace) {
            if lines[lines.count - 1].count + word.count >= 120 { lines.append(start) }
            lines[lines.count - 1] += " " + word
        }
        return lines
    }
}

extension Setting {
    /// The groups that the key is in: `http.limits` is two.
    fileprivate var groups: [String] { key.split(separator: ".").dropLast().map(String.init) }
}

extension Setting.Effect {
    /// Completes "a change takes effect …".
    fileprivate var text: String {
        switch self {
        case .restart: "at a restart"
        case .reload: "at a reload"
        case .nextConnection: "at a reload, for new connections"
        case .nextRequest: "at a reload, for new requests"
        case .nextFetch: "at a reload, for new fetches"
        }
    }
}

/// The lines of a YAML file whose keys are written in the order of a schema.
private struct YAMLTree {
    var lines: [String] = []
    private var current: [String] = []

    /// Enters the groups of a key. Returns those that were not open, with their depths.
    mutating func open(_ groups: [String]) -> [(depth: Int, name: String)] {
        let shared = zip(current, groups).prefix { $0 == $1 }.count
        current = groups
        return (shared..<groups.count).map { ($0, groups[$0]) }
    }

    /// Returns the line of a key, after appending the lines of groups that are not open yet.
    mutating func line(for setting: Setting, _ texts: [String]) -> String {
        for (depth, name) in open(setting.groups) { lines.append(Self.indent(depth) + name + ":") }
        let name = setting.key.split(separator: ".").last ?? ""
        return "\(Self.indent(setting.groups.count))\(name): \(Self.value(setting, texts))"
    }

    static func value(_ setting: Setting, _ texts: [String]) -> String {
        switch setting.kind {
        case .integer, .boolean: texts[0]
        case .text: JSON.string(texts[0]).text
        case .list: JSON.array(texts.map { .string($0) }).text
        }
    }

    static func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }
}
