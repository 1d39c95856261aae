internal import HTTPTypes

/// A tree of routes by path segment. A look-up tries the literal child first, then the named segment, then the rest of the
/// path. It backtracks out of a branch that has no route for the method. It visits each node at most once.
struct PathTree: Sendable {
    private var literals: [String: PathTree] = [:]
    // At most one element. An array, because a struct cannot contain itself.
    private var parameter: [PathTree] = []
    private var rest = MethodMap()
    private var methods = MethodMap()

    /// Adds a route. Returns false when this path already has a handler for this method.
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

    /// Looks for a route that matches the path and answers `search.method`. Returns whether there is one. `search` then holds the
    /// route; otherwise it holds the methods of all routes that match the path.
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

/// A search through the paths, and its findings so far.
struct PathSearch {
    let method: HTTPRequest.Method
    /// The values that the named segments have matched so far.
    var values: [String] = []
    /// The route, once it is found.
    private(set) var index: Int?
    /// The handlers of each matching path that does not answer the method, the most specific first.
    private(set) var others: [MethodMap] = []

    init(method: HTTPRequest.Method) { self.method = method }

    /// Ends the search if one of these handlers answers the method. Returns whether one does.
    mutating func takes(_ methods: MethodMap) -> Bool {
        index = methods.index(for: method)
        if index == nil, !methods.isEmpty { others.append(methods) }
        return index != nil
    }
}

/// The handlers of one path, by method.
struct MethodMap: Sendable {
    private var entries: [(method: HTTPRequest.Method, index: Int)] = []

    var isEmpty: Bool { entries.isEmpty }

    /// Adds a handler. Returns false when there already is one for this method.
    mutating func add(_ method: HTTPRequest.Method, _ index: Int) -> Bool {
        guard !entries.contains(where: { $0.method == method }) else { return false }
        entries.append((method, index))
        return true
    }

    /// The methods that the path answers, including HEAD if it answers GET.
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
    /// The methods for the `Allow` field: those that any of these paths answers, and OPTIONS, which the server answers itself.
    var allowed: [HTTPRequest.Method] {
        var allowed: [HTTPRequest.Method] = []
        for method in flatMap(\.methods) + [.options] where !allowed.contains(method) { allowed.append(method) }
        return allowed
    }
}
