internal import HTTPTypes

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
