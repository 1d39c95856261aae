internal import Configuration
internal import Glibc
internal import Logging

/// One key of the configuration: its names, what it takes, and where its value lives in `ServiceConfiguration`.
public struct Setting: Sendable {
    /// As in the file, its groups joined by dots: `http.max-connections`.
    public let key: String
    /// The option of `tandemd serve` that sets it, if any: `--port`.
    public let flag: String?
    /// Completes "expected …".
    public let expectation: String

    /// Whether one text, from whichever source, is a value of this key. A list's items are checked one by one.
    let accepts: @Sendable (String) -> Bool
    let kind: Kind
    /// Takes the value from a reader, where it has one.
    let read: @Sendable (ConfigReader, inout ServiceConfiguration) -> Void
    /// Writes the value as the file would have it.
    let render: @Sendable (ServiceConfiguration) -> String

    /// How a value is written.
    enum Kind: Sendable { case integer, boolean, text, list }

    typealias Path<Value> = any WritableKeyPath<ServiceConfiguration, Value> & Sendable

    /// `TANDEM_HTTP_MAX_CONNECTIONS`.
    public var environmentVariable: String {
        "TANDEM_" + String(key.map { $0 == "." || $0 == "-" ? "_" : Character($0.uppercased()) })
    }

    /// The key of that name.
    public static func named(_ key: String) -> Setting? { all.first { $0.key == key } }

    /// A whole number of `unit`s, kept as that many times `scale`.
    static func integer(
        _ key: String, _ path: Path<Int>, _ range: ClosedRange<Int>, unit: String = "", scale: Int = 1, flag: String? = nil
    ) -> Setting {
        number(key, range, unit, flag) {
            $0[keyPath: path] = $1 * scale
        } get: {
            $0[keyPath: path] / scale
        }
    }

    /// A whole number of `unit`s that something is limited to; 0 for no limit.
    static func limit(_ key: String, _ path: Path<Int?>, upTo most: Int, unit: String) -> Setting {
        number(key, 0...most, unit, nil) {
            $0[keyPath: path] = $1 == 0 ? nil : $1
        } get: {
            $0[keyPath: path] ?? 0
        }
    }

    /// A whole number of milliseconds.
    static func milliseconds(_ key: String, _ path: Path<Duration>, _ range: ClosedRange<Int>) -> Setting {
        number(key, range, "milliseconds", nil) {
            $0[keyPath: path] = .milliseconds($1)
        } get: {
            Int($0[keyPath: path] / .milliseconds(1))
        }
    }

    /// A whole number of milliseconds that something may take; 0 for no limit.
    static func limit(_ key: String, _ path: Path<Duration?>) -> Setting {
        number(key, 0...86_400_000, "milliseconds", nil) {
            $0[keyPath: path] = $1 == 0 ? nil : .milliseconds($1)
        } get: {
            $0[keyPath: path].map { Int($0 / .milliseconds(1)) } ?? 0
        }
    }

    private static func number(
        _ key: String, _ range: ClosedRange<Int>, _ unit: String, _ flag: String?,
        set: @escaping @Sendable (inout ServiceConfiguration, Int) -> Void,
        get: @escaping @Sendable (ServiceConfiguration) -> Int
    ) -> Setting {
        Setting(
            key: key, flag: flag,
            expectation: "a whole number\(unit.isEmpty ? "" : " of \(unit)") from \(range.lowerBound) to \(range.upperBound)",
            accepts: { text in wholeNumber(text).map(range.contains) ?? false }, kind: .integer
        ) { reader, configuration in
            if let value = reader.int(forKey: ConfigKey(key)) { set(&configuration, value) }
        } render: {
            String(get($0))
        }
    }

    /// true or false.
    static func boolean(_ key: String, _ path: Path<Bool>) -> Setting {
        Setting(key: key, flag: nil, expectation: "true or false", accepts: { $0 == "true" || $0 == "false" }, kind: .boolean) {
            if let value = $0.bool(forKey: ConfigKey(key)) { $1[keyPath: path] = value }
        } render: {
            String($0[keyPath: path])
        }
    }

    /// A text that `parse` understands.
    static func text<Value>(
        _ key: String, _ path: Path<Value>, expectation: String, flag: String? = nil,
        parse: @escaping @Sendable (String) -> Value?, render: @escaping @Sendable (Value) -> String
    ) -> Setting {
        Setting(key: key, flag: flag, expectation: expectation, accepts: { parse($0) != nil }, kind: .text) {
            if let value = $0.string(forKey: ConfigKey(key)).flatMap(parse) { $1[keyPath: path] = value }
        } render: {
            JSON.string(render($0[keyPath: path])).text
        }
    }

    /// One of a few words.
    static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(_ key: String, _ path: Path<Value>) -> Setting {
        text(
            key, path, expectation: "one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))",
            parse: { Value(rawValue: $0) }, render: { $0.rawValue })
    }

    /// The path of a file that can be read; an empty text for none.
    static func file(_ key: String, _ path: Path<String?>) -> Setting {
        text(
            key, path, expectation: "the path of a file that can be read",
            parse: { path in path.isEmpty ? .some(nil) : access(path, R_OK) == 0 ? .some(path) : nil }, render: { $0 ?? "" })
    }

    /// A list of texts that `parse` understands. In an environment variable they are separated by commas.
    static func list<Value>(
        _ key: String, _ path: Path<[Value]>, expectation: String, flag: String? = nil,
        parse: @escaping @Sendable (String) -> Value?, render: @escaping @Sendable (Value) -> String
    ) -> Setting {
        Setting(key: key, flag: flag, expectation: expectation, accepts: { parse($0) != nil }, kind: .list) {
            if let items = $0.stringArray(forKey: ConfigKey(key)) { $1[keyPath: path] = items.compactMap(parse) }
        } render: {
            JSON.array($0[keyPath: path].map { .string(render($0)) }).text
        }
    }
}
