/// The dimensions of a series as Prometheus labels, sorted by name.
struct MetricLabels: Sendable, Hashable {
    /// The labels as `name="value",other="value"`, escaped; empty if there are none.
    let text: String
    /// The values, not escaped.
    private let values: [String: String]

    /// The value of a label; nil if the series does not have the label.
    subscript(name: String) -> String? { values[name] }

    /// Converts names to valid Prometheus names. The values of names that become equal are joined by ";", as OpenTelemetry
    /// requires.
    init(_ dimensions: [(String, String)] = []) {
        var values: [String: String] = [:]
        for (name, value) in dimensions {
            let name = Self.name(name)
            values[name] = values[name].map { "\($0);\(value)" } ?? value
        }
        self.values = values
        text = values.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
    }

    /// Appends one label to other labels.
    init(_ labels: MetricLabels, adding more: (String, String)) {
        let added = MetricLabels([more])
        values = labels.values.merging(added.values) { $1 }
        text = labels.text.isEmpty ? added.text : labels.text + "," + added.text
    }

    /// Returns a valid label name: letters, digits and underscores, without a leading digit. `le` and `quantile` are reserved, so
    /// they get the prefix `exported_`.
    static func name(_ text: String) -> String {
        var name = String(text.unicodeScalars.map { $0.isLetterOrDigit ? Character($0) : "_" })
        if name.first?.isNumber ?? true { name = "key_" + name }
        return name == "le" || name == "quantile" ? "exported_" + name : name
    }

    /// Escapes backslashes, quotes and line feeds. Everything else stays unchanged, in UTF-8.
    static func escaped(_ value: String) -> String {
        var text = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": text += #"\\"#
            case "\"": text += #"\""#
            case "\n": text += #"\n"#
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

extension Unicode.Scalar {
    /// Whether the scalar is an ASCII letter or digit.
    var isLetterOrDigit: Bool { isASCII && (properties.isAlphabetic || ("0"..."9").contains(self)) }
}
