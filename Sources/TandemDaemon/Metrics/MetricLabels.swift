/// A series' dimensions as Prometheus labels, in the order of their names.
struct MetricLabels: Sendable, Hashable {
    /// `name="value",other="value"`, escaped; empty when there are none.
    let text: String

    /// Names are made what Prometheus allows. Values of names that become the same are joined by ";", as the OpenTelemetry
    /// rules have it.
    init(_ dimensions: [(String, String)] = []) {
        var values: [String: String] = [:]
        for (name, value) in dimensions {
            let name = Self.name(name)
            values[name] = values[name].map { "\($0);\(value)" } ?? value
        }
        text = values.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
    }

    /// Those of another, and one more behind them.
    init(_ labels: MetricLabels, adding more: (String, String)) {
        let added = MetricLabels([more]).text
        text = labels.text.isEmpty ? added : labels.text + "," + added
    }

    /// Letters, digits and underscores, and no digit first. `le` is a histogram's own.
    static func name(_ text: String) -> String {
        var name = String(text.unicodeScalars.map { $0.isLetterOrDigit ? Character($0) : "_" })
        if name.first?.isNumber ?? true { name = "key_" + name }
        return name == "le" || name == "quantile" ? "exported_" + name : name
    }

    /// Backslash, quote and line feed; everything else stands for itself, in UTF-8.
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
    /// Of ASCII.
    var isLetterOrDigit: Bool { isASCII && (properties.isAlphabetic || ("0"..."9").contains(self)) }
}
