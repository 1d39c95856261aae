internal import FoundationEssentials
internal import Tandem
internal import TandemHTTP

/// Decodes a value from JSON that a client sent; what `Request.json` does with a body.
///
/// Decoding is computing: it holds the hub until it is done. In a release build it took 3 ms per 100 KiB on a slow virtual
/// machine (Foundation's `JSONDecoder`: 5 ms), and up to 25 ms for a body of nothing but small numbers. From about 100 KiB on,
/// decode on a thread of the offload pool, so that other requests do not wait:
///
///     router.post("/import") { request in
///         try request.requireJSON()
///         let bytes = try await request.body.collect(upTo: 16 << 20)
///         let orders = try await offload { try decodeJSON(bytes, as: [Order].self) }
///         return Response(text: "\(orders.count) orders\n")
///     }
///
/// See `Request.json` for what is accepted. Like encoding, decoding runs on the hub's own stack when called on a green thread, so
/// the value's `init(from:)` must not wait for anything.
///
/// - Throws: `HTTPError` 400 with a sentence for the client; any error other than `DecodingError` that an `init(from:)` of the
///   value throws.
public func decodeJSON<Value: Decodable>(_ bytes: [UInt8], as type: Value.Type = Value.self) throws -> Value {
    let document: JSONDocument
    do throws(JSONFault) {
        document = try JSONScanner.scan(bytes, maximumDepth: maximumDepth)
    } catch {
        throw HTTPError(error, in: bytes)
    }
    do {
        return try onLargeStack { try ValueDecoder(document: document, node: 0, place: nil).decode(type) }
    } catch let error as DecodingError {
        throw HTTPError(error)
    }
}

/// Encodes a value as JSON in UTF-8, as `Response(json:)` does.
///
/// The members of objects are sorted by name, so that equal values give equal bytes: for caches, `ETag`s and tests. Dates are
/// written as RFC 3339 has them, in UTC, with milliseconds unless these are 0. `Data` is written in base64. Slashes are not
/// escaped.
///
/// - Throws: `EncodingError` for infinity, for NaN, and for dates beyond the years 0 to 9999; what an `encode(to:)` of the value
///   throws.
public func encodeJSON(_ value: some Encodable) throws -> [UInt8] {
    [UInt8](try onLargeStack { try encoder.encode(value) })
}

/// The deepest nesting of arrays and objects that is decoded.
let maximumDepth = 64

private let encoder = {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .custom { date, encoder in
        guard let text = date.rfc3339 else {
            // Not the date itself: Foundation traps when it describes one that is infinite.
            throw EncodingError.invalidValue(
                date.timeIntervalSince1970,
                EncodingError.Context(
                    codingPath: encoder.codingPath, debugDescription: "RFC 3339 has no date beyond the years 0 to 9999"))
        }
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
    return encoder
}()

/// Calls `body`, on the hub's own stack when the caller runs on a green one. A type that contains itself takes stack for each
/// level of the text: more than 128 KiB for 64 levels in a debug build.
private func onLargeStack<Success>(_ body: () throws -> Success) throws -> Success {
    guard GreenThreadIdentity.current != nil else { return try body() }
    return try awaiting(line: 0) { try body() }  // not a bridge of the service
}
