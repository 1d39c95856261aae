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

    func index(for method: HTTPRequest.Method) -> Int? {
        if let entry = entries.first(where: { $0.method == method }) { return entry.index }
        return method == .head ? entries.first { $0.method == .get }?.index : nil
    }

    /// For the `Allow` field; OPTIONS is answered by the server.
    var allowed: [HTTPRequest.Method] {
        var methods = entries.map(\.method)
        if methods.contains(.get), !methods.contains(.head) { methods.append(.head) }
        if !methods.contains(.options) { methods.append(.options) }
        return methods
    }
}
