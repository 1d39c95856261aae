internal import HTTPTypes

/// Paths by segment. A literal child is tried first, then the named one, then the rest; a branch without a route for the
/// method is left again. No node is visited twice, so a look-up costs at most the size of the tree.
struct PathTree: Sendable {
    private var literals: [String: PathTree] = [:]
    // None or one; an array because a struct cannot hold itself.
    private var parameter: [PathTree] = []
    private var rest = MethodMap()
    private var methods = MethodMap()

    /// Returns whether this path had no handler for this method.
    mutating func add(_ segments: ArraySlice<PathPattern.Segment>, _ index: Int, _ method: HTTPRequest.Method) -> Bool {
        switch segments.first {
        case nil:
            return methods.add(method, index)
        case .literal(let text):
            return literals[text, default: PathTree()].add(segments.dropFirst(), index, method)
        case .parameter:
            if parameter.isEmpty { parameter.append(PathTree()) }
            return parameter[0].add(segments.dropFirst(), index, method)
        case .rest:
            return rest.add(method, index)
        }
    }

    /// Looks for the route of a path that answers `search.method`. Returns whether there is one; `search` holds it, and
    /// without one the methods of all the routes that the path matches.
    func find(_ segments: ArraySlice<String>, _ search: inout PathSearch) -> Bool {
        guard let segment = segments.first else { return search.takes(methods) }
        if let child = literals[segment], child.find(segments.dropFirst(), &search) { return true }
        if let child = parameter.first, !segment.isEmpty {
            search.values.append(segment)
            if child.find(segments.dropFirst(), &search) { return true }
            search.values.removeLast()
        }
        guard !rest.isEmpty, search.takes(rest) else { return false }
        search.values.append(segments.joined(separator: "/"))
        return true
    }
}

/// A walk through the paths, and what it has come upon.
struct PathSearch {
    let method: HTTPRequest.Method
    /// What the named segments on the way here matched.
    var values: [String] = []
    /// The route, once it is found.
    private(set) var index: Int?
    /// The handlers of each path that matched without one for the method, the most specific first.
    private(set) var others: [MethodMap] = []

    init(method: HTTPRequest.Method) { self.method = method }

    /// Ends the walk at these handlers if one of them answers the method.
    mutating func takes(_ methods: MethodMap) -> Bool {
        index = methods.index(for: method)
        if index == nil, !methods.isEmpty { others.append(methods) }
        return index != nil
    }
}

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
