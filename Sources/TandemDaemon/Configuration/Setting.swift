internal import Configuration
internal import Glibc
internal import TandemHTTP

/// One key of the configuration: its name, the values that it takes, its default, the reason for it, and when a change takes
/// effect.
///
/// The daemon's own keys are rows of this type, and so are those of a service (``DaemonService/settings``). Everything else comes
/// from the row: the check of the file, of the environment and of the command line, `check-config`, the commented file that
/// `settings` prints, and what a reload changes.
public struct Setting: Sendable {
    /// The time when a change of the file or the environment takes effect.
    public enum Effect: String, Sendable, CaseIterable {
        /// At the next start. A reload logs the keys that wait for it.
        case restart
        /// At a reload (SIGHUP), at once.
        case reload
        /// At a reload, for connections that are accepted afterwards.
        case nextConnection
        /// At a reload, for requests that begin afterwards.
        case nextRequest
        /// At a reload, for fetches that begin afterwards.
        case nextFetch
    }

    /// The name, with its groups joined by dots: `http.max-connections`.
    public let key: String
    /// The option of `serve` that sets it, if any: `--port`.
    public let flag: String?
    /// The values that it takes: "a whole number of bytes from 0 to 65535". Completes "expected …".
    public let expectation: String
    /// The purpose of the key, and the reason for its default: one to four sentences.
    public let note: String
    /// When a change takes effect.
    public let effect: Effect
    /// Whether the value must not be shown: `check-config` prints it as `"…"`.
    public let isSecret: Bool

    /// The kind of the value.
    let kind: Kind
    /// The default, as the file would have it: one text, or the items of a list.
    let defaultTexts: [String]
    /// Returns the canonical form of a value, or nil if the value is not acceptable. The items of a list are checked one by one.
    let canonical: @Sendable (String) -> String?
    /// Stores canonical texts in the daemon's configuration; does nothing for the keys of a service.
    let store: @Sendable ([String], inout DaemonConfiguration) -> Void

    /// The maximum duration in milliseconds: one day. A longer one is a typing error, and with this limit no deadline overflows.
    @usableFromInline static let day = 86_400_000

    /// The kinds of values in the file.
    enum Kind: Sendable { case integer, boolean, text, list }

    /// Creates a key whose value is a whole number, which a `ConfigReader` reads by `int`.
    ///
    /// - Parameters:
    ///   - key: The name: lower-case words, digits and hyphens, with groups joined by dots. The daemon's own groups are taken.
    ///   - unit: The unit, in the plural: "bytes".
    ///   - note: What it is for, and why it has its default.
    ///   - effect: When a change takes effect: at a restart unless the service reads the value again, from the configuration or
    ///     in a hook of `onReload`.
    ///   - value: The default.
    ///   - range: The values that it takes.
    public static func integer(
        _ key: String, default value: Int, in range: ClosedRange<Int>, unit: String = "", note: String, effect: Effect = .restart
    ) -> Setting {
        Setting(
            key, .integer, [String(value)], expecting: expectation(range, unit), note, effect,
            canonical: { accepted($0, range) })
    }

    /// Creates a key whose value is a whole number of milliseconds, which a `ConfigReader` reads by `int`. Let its name end in
    /// `-ms`.
    public static func milliseconds(
        _ key: String, default value: Int, in range: ClosedRange<Int> = 0...day, note: String, effect: Effect = .restart
    ) -> Setting {
        integer(key, default: value, in: range, unit: "milliseconds", note: note, effect: effect)
    }

    /// Creates a key whose value is true or false, which a `ConfigReader` reads by `bool`.
    public static func boolean(_ key: String, default value: Bool, note: String, effect: Effect = .restart) -> Setting {
        Setting(key, .boolean, [String(value)], expecting: "true or false", note, effect, canonical: acceptedBoolean)
    }

    /// Creates a key whose value is a text, which a `ConfigReader` reads by `string`.
    ///
    /// - Parameters:
    ///   - expectation: The texts that it takes, in words that complete "expected …": "three capital letters".
    ///   - isSecret: Whether the value must not be shown. It is better to keep the secret in a file, and its path in a
    ///     ``file(_:default:note:effect:)``.
    ///   - isAcceptable: Whether a text is a value of this key.
    ///   - key: The name: lower-case words, digits and hyphens, with groups joined by dots.
    ///   - value: The default.
    ///   - note: What it is for, and why it has its default.
    ///   - effect: When a change takes effect.
    public static func text(
        _ key: String, default value: String, expecting expectation: String, note: String, effect: Effect = .restart,
        isSecret: Bool = false, isAcceptable: @escaping @Sendable (String) -> Bool = { _ in true }
    ) -> Setting {
        Setting(
            key, .text, [value], expecting: expectation, note, effect, isSecret: isSecret,
            canonical: { isAcceptable($0) ? $0 : nil })
    }

    /// Creates a key whose value is one of the words of an enumeration, which a `ConfigReader` reads by
    /// `string(forKey:as:)`.
    public static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(
        _ key: String, default value: Value, note: String, effect: Effect = .restart
    ) -> Setting {
        Setting(
            key, .text, [value.rawValue], expecting: expectation(Value.self), note, effect,
            canonical: { Value(rawValue: $0)?.rawValue })
    }

    /// Creates a key whose value is the path of a file that the process can read, or an empty text for none.
    public static func file(_ key: String, default value: String = "", note: String, effect: Effect = .restart) -> Setting {
        Setting(key, .text, [value], expecting: readableFile, note, effect, canonical: acceptedFile)
    }

    /// Creates a key whose value is a list of texts, which a `ConfigReader` reads by `stringArray`. In an environment variable
    /// commas separate the items.
    ///
    /// - Parameters:
    ///   - expectation: What the list holds: "a list of host names".
    ///   - isAcceptable: Whether a text is an item of this list.
    ///   - key: The name: lower-case words, digits and hyphens, with groups joined by dots.
    ///   - value: The default.
    ///   - note: What it is for, and why it has its default.
    ///   - effect: When a change takes effect.
    public static func list(
        _ key: String, default value: [String] = [], expecting expectation: String, note: String, effect: Effect = .restart,
        isAcceptable: @escaping @Sendable (String) -> Bool = { _ in true }
    ) -> Setting {
        Setting(key, .list, value, expecting: expectation, note, effect, canonical: { isAcceptable($0) ? $0 : nil })
    }

    private init(
        _ key: String, _ kind: Kind, _ defaultTexts: [String], expecting expectation: String, _ note: String, _ effect: Effect,
        flag: String? = nil, isSecret: Bool = false, canonical: @escaping @Sendable (String) -> String?,
        store: @escaping @Sendable ([String], inout DaemonConfiguration) -> Void = { _, _ in }
    ) {
        self.key = key
        self.kind = kind
        self.defaultTexts = defaultTexts
        self.expectation = expectation
        self.note = note
        self.effect = effect
        self.flag = flag
        self.isSecret = isSecret
        self.canonical = canonical
        self.store = store
    }

    private static let readableFile = "the path of a file that can be read"

    private static func acceptedFile(_ path: String) -> String? { path.isEmpty || isReadableFile(path) ? path : nil }

    private static func acceptedBoolean(_ text: String) -> String? { text == "true" || text == "false" ? text : nil }

    private static func accepted(_ text: String, _ range: ClosedRange<Int>) -> String? {
        Int(parameter: text).flatMap { range.contains($0) ? text : nil }
    }

    private static func expectation(_ range: ClosedRange<Int>, _ unit: String) -> String {
        "a whole number\(unit.isEmpty ? "" : " of \(unit)") from \(range.lowerBound) to \(range.upperBound)"
    }

    private static func expectation<Value: RawRepresentable<String> & CaseIterable>(_: Value.Type) -> String {
        "one of \(Value.allCases.map(\.rawValue).joined(separator: ", "))"
    }
}

/// The rows of the daemon's own keys. Each row names the property that holds the value, and takes its default from there.
extension Setting {
    typealias Path<Value> = any WritableKeyPath<DaemonConfiguration, Value> & Sendable

    private static let defaults = DaemonConfiguration()

    /// Creates a row for a whole number, which is stored multiplied by `scale`.
    static func integer(
        _ key: String, _ path: Path<Int>, _ range: ClosedRange<Int>, unit: String = "", scale: Int = 1, flag: String? = nil,
        _ effect: Effect, _ note: String
    ) -> Setting {
        Setting(
            key, .integer, [String(defaults[keyPath: path] / scale)], expecting: expectation(range, unit), note, effect,
            flag: flag, canonical: { accepted($0, range) }
        ) { $1[keyPath: path] = Int(parameter: $0[0])! * scale }
    }

    /// Creates a row for a limit; 0 means no limit.
    static func limit(
        _ key: String, _ path: Path<Int?>, upTo most: Int, unit: String, _ effect: Effect, _ note: String
    ) -> Setting {
        Setting(
            key, .integer, [String(defaults[keyPath: path] ?? 0)], expecting: expectation(0...most, unit), note, effect,
            canonical: { accepted($0, 0...most) }
        ) { $1[keyPath: path] = Int(parameter: $0[0]).flatMap { $0 == 0 ? nil : $0 } }
    }

    /// Creates a row for a duration in milliseconds.
    static func milliseconds(
        _ key: String, _ path: Path<Duration>, _ range: ClosedRange<Int>, _ effect: Effect, _ note: String
    ) -> Setting {
        Setting(
            key, .integer, [text(defaults[keyPath: path])], expecting: expectation(range, "milliseconds"), note, effect,
            canonical: { accepted($0, range) }
        ) { $1[keyPath: path] = .milliseconds(Int(parameter: $0[0])!) }
    }

    /// Creates a row for a time limit in milliseconds; 0 means no limit.
    static func limit(_ key: String, _ path: Path<Duration?>, _ effect: Effect, _ note: String) -> Setting {
        let range = 0...day
        return Setting(
            key, .integer, [defaults[keyPath: path].map(text) ?? "0"], expecting: expectation(range, "milliseconds"), note,
            effect,
            canonical: { accepted($0, range) }
        ) { $1[keyPath: path] = Int(parameter: $0[0]).flatMap { $0 == 0 ? nil : .milliseconds($0) } }
    }

    private static func text(_ duration: Duration) -> String { String(Int(duration / .milliseconds(1))) }

    /// Creates a row for a truth value.
    static func boolean(_ key: String, _ path: Path<Bool>, _ effect: Effect, _ note: String) -> Setting {
        Setting(
            key, .boolean, [String(defaults[keyPath: path])], expecting: "true or false", note, effect,
            canonical: acceptedBoolean
        ) { $1[keyPath: path] = $0[0] == "true" }
    }

    /// Creates a row for a text that `parse` accepts; `render` writes its canonical form.
    static func text<Value>(
        _ key: String, _ path: Path<Value>, expecting expectation: String, flag: String? = nil, _ effect: Effect, _ note: String,
        parse: @escaping @Sendable (String) -> Value?, render: @escaping @Sendable (Value) -> String
    ) -> Setting {
        Setting(
            key, .text, [render(defaults[keyPath: path])], expecting: expectation, note, effect, flag: flag,
            canonical: { parse($0).map(render) }
        ) { $1[keyPath: path] = parse($0[0])! }
    }

    /// Creates a row for one of the words of an enumeration.
    static func choice<Value: RawRepresentable<String> & CaseIterable & Sendable>(
        _ key: String, _ path: Path<Value>, _ effect: Effect, _ note: String
    ) -> Setting {
        text(key, path, expecting: expectation(Value.self), effect, note, parse: { Value(rawValue: $0) }, render: \.rawValue)
    }

    /// Creates a row for the path of a readable file; an empty text for no file.
    static func file(_ key: String, _ path: Path<String?>, _ effect: Effect, _ note: String) -> Setting {
        Setting(
            key, .text, [defaults[keyPath: path] ?? ""], expecting: readableFile, note, effect, canonical: acceptedFile
        ) { $1[keyPath: path] = $0[0].isEmpty ? nil : $0[0] }
    }

    /// Creates a row for a list of texts that `parse` accepts; `render` writes the canonical form of an item.
    static func list<Value>(
        _ key: String, _ path: Path<[Value]>, expecting expectation: String, flag: String? = nil, _ effect: Effect,
        _ note: String,
        parse: @escaping @Sendable (String) -> Value?, render: @escaping @Sendable (Value) -> String
    ) -> Setting {
        Setting(
            key, .list, defaults[keyPath: path].map(render), expecting: expectation, note, effect, flag: flag,
            canonical: { parse($0).map(render) }
        ) { $1[keyPath: path] = $0.compactMap(parse) }
    }
}
