internal import TandemHTTP

extension Response {
    /// An answer with this value as its body.
    init(_ json: JSON) { self.init(jsonBytes: json.bytes) }
}
