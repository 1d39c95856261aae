import Foundation

extension Response {
    init(status: Int = 200, headers: [(String, String)] = [], json value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        self.init(
            status: status, headers: [("Content-Type", "application/json")] + headers,
            body: .bytes([UInt8](try encoder.encode(value))))
    }
}

extension Request {
    /// Returns the body of the request. An error names the member.
    func json<Value: Decodable>(as type: Value.Type, upTo limit: Int) throws -> Value {
        guard let type = headers["content-type"]?.split(separator: ";").first, type.lowercased() == "application/json" else {
            throw HTTPError(415, "expected application/json")
        }
        let bytes = try body.collect(upTo: limit)
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch let error as DecodingError {
            throw HTTPError(400, error.sentence)
        }
    }
}

extension DecodingError {
    fileprivate var sentence: String {
        func place(_ path: [any CodingKey]) -> String { path.map(\.stringValue).joined(separator: ".") }
        switch self {
        case .keyNotFound(let key, let context): return "\(place(context.codingPath + [key])) is missing"
        case .valueNotFound(_, let context): return "\(place(context.codingPath)): expected a value"
        case .typeMismatch(let type, let context): return "\(place(context.codingPath)): expected \(type)"
        case .dataCorrupted(let context) where !context.codingPath.isEmpty:
            return "\(place(context.codingPath)): \(context.debugDescription)"
        default: return "the body is not valid JSON"
        }
    }
}
