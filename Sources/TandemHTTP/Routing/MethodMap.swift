internal import HTTPTypes

/// The handlers of one path.
struct MethodMap: Sendable {
    private var entries: [(method: HTTPRequest.Method, index: Int)] = []

    var isEmpty: Bool { entries.isEmpty }

    /// Returns whether there was none for this method.
    mutating func add(_ method: HTTPRequest.Method, _ index: Int) -> Bool {
        guard !entries.contains(where: { $0.method == method }) else { return false }
        entries.append((method, index))
        return true
    }

    /// The methods that it answers: HEAD wherever GET is.
    var methods: [HTTPRequest.Method] {
        let methods = entries.map(\.method)
        return methods.contains(.get) ? methods + [.head] : methods
    }

    func index(for method: HTTPRequest.Method) -> Int? {
        if let entry = entries.first(where: { $0.method == method }) { return entry.index }
        return method == .head ? entries.first { $0.method == .get }?.index : nil
    }
}

extension [MethodMap] {
    /// For the `Allow` field: what any of them answers, and OPTIONS, which the server answers itself.
    var allowed: [HTTPRequest.Method] {
        var allowed: [HTTPRequest.Method] = []
        for method in flatMap(\.methods) + [.options] where !allowed.contains(method) { allowed.append(method) }
        return allowed
    }
}
