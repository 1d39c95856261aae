extension ConfigurationLoader.Loaded {
    /// The values in force as a YAML file that could be loaded again, each with a comment that says where it comes from.
    public var yaml: String {
        var lines: [String] = []
        var open: [Substring] = []
        for setting in Setting.all {
            let names = setting.key.split(separator: ".")
            let groups = Array(names.dropLast())
            let shared = zip(open, groups).prefix { $0 == $1 }.count
            for depth in shared..<groups.count { lines.append(indent(depth) + groups[depth] + ":") }
            open = groups
            let value = "\(indent(groups.count))\(names[names.count - 1]): \(setting.render(configuration))"
            let padding = String(repeating: " ", count: max(2, 48 - value.count))
            lines.append("\(value)\(padding)# \(places[setting.key] ?? "default")")
        }
        return lines.joined(separator: "\n")
    }

    private func indent(_ depth: Int) -> String { String(repeating: "  ", count: depth) }
}
