public import HTTPTypes

/// The mode of one migrating route, as configuration sets it.
///
///     GET /users/{id} shadow 5
///     GET /users/{id} shadow 5 control=20
///     POST /orders percent 12.5 by=header:X-Tenant
///     GET /report new verify=0.1
///     GET /report old
public struct RouteMigration: Sendable, Hashable, CustomStringConvertible {
    /// The method that the route was registered with.
    public let method: HTTPRequest.Method
    /// The route's whole path, such as "/users/{id}".
    public let path: String
    /// The mode.
    public let migration: Migration

    /// Creates the mode of one route.
    public init(_ method: HTTPRequest.Method, _ path: String, _ migration: Migration) {
        self.method = method
        self.path = path
        self.migration = migration
    }

    /// Reads a text such as "GET /users/{id} shadow 5". Returns nil if it has another form.
    ///
    /// The mode is `old`; `shadow`, with a percentage of samples (1 if it is missing) and `control=`; `percent`, with a percentage
    /// and `by=request`, `by=peer`, `by=header:NAME` or `by=cookie:NAME`; or `new`, with `verify=` and `control=`.
    public init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count >= 3, let method = HTTPRequest.Method(String(words[0])), words[1].first == "/",
            let migration = Migration(words[2], words[3...])
        else { return nil }
        self.init(method, String(words[1]), migration)
    }

    /// The text that `init(_:)` reads.
    public var description: String { "\(route) \(migration)" }

    /// The method and the path, which name the route.
    var route: String { "\(method.rawValue) \(path)" }
}

extension Migration: CustomStringConvertible {
    fileprivate init?(_ name: Substring, _ rest: ArraySlice<Substring>) {
        var number: Share?
        var options: [Substring: Substring] = [:]
        for (index, word) in rest.enumerated() {
            let parts = word.split(separator: "=", maxSplits: 1)
            if index == 0, let share = Share(word) {
                number = share
            } else {
                guard parts.count == 2, options.updateValue(parts[1], forKey: parts[0]) == nil else { return nil }
            }
        }
        /// Takes a share out of the options. Nil if it is malformed.
        func share(_ key: Substring, default usual: Share) -> Share? {
            guard let text = options.removeValue(forKey: key) else { return usual }
            return Share(text)
        }
        let usual = Share(percent: 10)
        switch name {
        case "old" where number == nil: mode = .old
        case "shadow":
            guard let control = share("control", default: usual) else { return nil }
            mode = .shadow(sample: number ?? Share(percent: 1), control: control)
        case "percent":
            guard let number, let key = Key(options.removeValue(forKey: "by") ?? "request") else { return nil }
            mode = .percent(number, key)
        case "new" where number == nil:
            guard let verify = share("verify", default: .none) else { return nil }
            guard let control = share("control", default: verify == .none ? .none : usual) else { return nil }
            mode = .new(verify: verify, control: control)
        default: return nil
        }
        guard options.isEmpty else { return nil }
    }

    /// The mode as configuration writes it: "shadow 5 control=10", "percent 12.5 by=peer", "new", "old".
    public var description: String {
        switch mode {
        case .old: "old"
        case .shadow(let sample, let control): "shadow \(sample) control=\(control)"
        case .percent(let share, let key): "percent \(share) by=\(key)"
        case .new(.none, _): "new"
        case .new(let verify, let control): "new verify=\(verify) control=\(control)"
        }
    }
}

extension Migration.Key: CustomStringConvertible {
    fileprivate init?(_ text: Substring) {
        let parts = text.split(separator: ":", maxSplits: 1)
        switch (parts.first, parts.count) {
        case ("request", 1): self = .request
        case ("peer", 1): self = .peer
        case ("header", 2):
            guard let name = HTTPField.Name(String(parts[1])) else { return nil }
            self = .header(name)
        case ("cookie", 2): self = .cookie(String(parts[1]))
        default: return nil
        }
    }

    /// The key as configuration writes it: "request", "peer", "header:X-Tenant", "cookie:session".
    public var description: String {
        switch self {
        case .request: "request"
        case .peer: "peer"
        case .header(let name): "header:\(name.rawName)"
        case .cookie(let name): "cookie:\(name)"
        }
    }
}
