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
