internal import HTTPTypes

/// Paths by segment. A literal child is tried first, then the named one, then the rest; a branch that fails is left again.
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

    /// The handlers of a path, and in `values` what its named segments matched.
    func find(_ segments: ArraySlice<String>, _ values: inout [String]) -> MethodMap? {
        guard let segment = segments.first else { return methods.isEmpty ? nil : methods }
        if let found = literals[segment]?.find(segments.dropFirst(), &values) { return found }
        if let child = parameter.first, !segment.isEmpty {
            values.append(segment)
            if let found = child.find(segments.dropFirst(), &values) { return found }
            values.removeLast()
        }
        guard !rest.isEmpty else { return nil }
        values.append(segments.joined(separator: "/"))
        return rest
    }
}
