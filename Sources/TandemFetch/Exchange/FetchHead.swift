internal import HTTPTypes
internal import HTTPWire

/// The status and the fields of a response. Each access to the fields creates them.
struct FetchHead: Sendable {
    private enum Source {
        case http1(ResponseHead)
        case http2(HTTPResponse.Status, HTTPFields)
    }

    private let source: Source
    /// Whether the request was HEAD. The response then has no body, even if its fields announce one.
    var answersHead = false
    /// Whether the client decodes the body. The fields that describe the coded body are then left out.
    var isDecoded = false

    init(_ head: ResponseHead) { source = .http1(head) }

    init(status: HTTPResponse.Status, fields: HTTPFields) { source = .http2(status, fields) }

    /// The status as a number.
    var code: Int {
        switch source {
        case .http1(let head): head.status
        case .http2(let status, _): status.code
        }
    }

    var status: HTTPResponse.Status {
        switch source {
        case .http1(let head): HTTPResponse.Status(code: head.status, reasonPhrase: head.reason)
        case .http2(let status, _): status
        }
    }

    /// The fields as the caller sees them.
    var fields: HTTPFields {
        var fields =
            switch source {
            case .http1(let head): head.fields
            case .http2(_, let fields): fields
            }
        if isDecoded { (fields[.contentEncoding], fields[.contentLength]) = (nil, nil) }
        return fields
    }

    /// The value of a field as the caller sees it, without creating all fields.
    subscript(name: HTTPField.Name) -> String? {
        if isDecoded, name == .contentEncoding || name == .contentLength { return nil }
        return switch source {
        case .http1(let head): head[name]
        case .http2(_, let fields): fields[name]
        }
    }

    /// The value of `Location`.
    var location: String? {
        if case .http1(let head) = source, !head.hasLocation { return nil }
        return self[.location]
    }

    /// The value of `Retry-After`.
    var retryAfter: String? {
        if case .http1(let head) = source, !head.hasRetryAfter { return nil }
        return self[.retryAfter]
    }

    /// The codings of the body, in lower case, in the order in which they were applied; without `identity`.
    var contentCodings: [String] {
        if case .http1(let head) = source, !head.hasContentEncoding { return [] }
        guard let value = self[.contentEncoding] else { return [] }
        return value.split(separator: ",").map { $0.filter { $0 != " " && $0 != "\t" }.lowercased() }
            .filter { !$0.isEmpty && $0 != "identity" }
    }

    /// The length of the body in bytes, if the head announces it; nil also for a body that the client decodes.
    var bodyLength: Int? {
        if isDecoded { return nil }
        switch source {
        case .http1(let head):
            if case .length(let length) = head.framing(toHead: answersHead) { return length }
            return nil
        case .http2: return answersHead || code == 204 || code == 304 ? nil : contentLength
        }
    }

    /// The value of `Content-Length`.
    var contentLength: Int? {
        switch source {
        case .http1(let head): head.contentLength
        case .http2(_, let fields): fields[.contentLength].flatMap { Int($0) }
        }
    }
}
