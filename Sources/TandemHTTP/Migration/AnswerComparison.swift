public import HTTPTypes

/// How the answers of a route's two handlers are compared.
///
/// The status is compared; then the fields `Content-Type`, `Location`, `Cache-Control`, `Vary`, `Content-Encoding`,
/// `WWW-Authenticate` and `Allow`, and the names of the cookies in `Set-Cookie`; then the body. Answers are compared as the handlers
/// return them, before middleware and the server add anything. An `HTTPError` that a handler throws compares as its answer, other
/// errors by their type.
///
/// `TandemJSON` compares bodies value by value, by `json(ignoring:because:)`.
public struct AnswerComparison: Sendable {
    /// A comparison of bodies. It may run on any thread, because long bodies are not compared on the hub.
    public typealias BodyComparison = @Sendable (_ old: [UInt8], _ new: [UInt8]) -> ComparisonResult

    /// The fields that are compared, except `Set-Cookie`.
    private var fields: [HTTPField.Name] = [
        .contentType, .location, .cacheControl, .vary, .contentEncoding, .wwwAuthenticate, .allow,
    ]
    private var ignoredFields: [HTTPField.Name: String] = [:]
    /// The comparison of bodies. A protocol, so that `TandemJSON` can extend its comparison.
    package var bodies: any BodyComparing = ExactBodies()

    /// The comparison without exceptions: bodies are equal if all bytes are.
    public static let exact = AnswerComparison()

    /// Returns a comparison that also compares these fields.
    public func comparing(_ names: HTTPField.Name...) -> AnswerComparison {
        var copy = self
        copy.fields += names.filter { !fields.contains($0) }
        return copy
    }

    /// Returns a comparison that ignores a field, and counts how often it differed.
    ///
    /// - Parameters:
    ///   - name: The field.
    ///   - reason: Why it may differ. The report shows the reason.
    public func ignoring(_ name: HTTPField.Name, because reason: String) -> AnswerComparison {
        var copy = self
        copy.ignoredFields[name] = reason
        return copy
    }

    /// Returns a comparison that compares bodies with a closure. It runs only if the bytes differ.
    public func comparingBodies(_ compare: @escaping BodyComparison) -> AnswerComparison {
        var copy = self
        copy.bodies = BodiesByClosure(closure: compare)
        return copy
    }

    /// Compares two answers.
    func compare(_ old: KeptAnswer, _ new: KeptAnswer) -> ComparisonResult {
        var result = ComparisonResult()
        let errors = (old.error, new.error)
        if errors.0 != errors.1 {
            let shape = "\(errors.0 ?? "no error"), \(errors.1 ?? "no error")"
            result.add(.init(.init(.error), errors.1 == nil ? .missing : errors.0 == nil ? .extra : .value, shape: shape))
        }
        guard let (oldHead, newHead) = old.head.flatMap({ old in new.head.map { (old, $0) } }) else { return result }
        if oldHead.status.code != newHead.status.code {
            result.add(.init(.init(.status), .value, shape: "\(oldHead.status.code), \(newHead.status.code)"))
        }
        for name in fields { compare(name, oldHead.headers[name], newHead.headers[name], &result) }
        compare(.setCookie, cookieNames(oldHead.headers), cookieNames(newHead.headers), &result)
        if old.isTooLong != new.isTooLong {
            result.add(.init(.init(.body), .size, shape: "only one is longer than what is compared"))
        }
        if let oldBody = old.body, let newBody = new.body, oldBody != newBody { result.add(bodies.compare(oldBody, newBody)) }
        return result
    }

    private func compare(_ name: HTTPField.Name, _ old: String?, _ new: String?, _ result: inout ComparisonResult) {
        guard old != new else { return }
        let part = AnswerDifference.Part(.header, name.rawName)
        if let reason = ignoredFields[name] { return result.ignore(.init(part, because: reason)) }
        let shape = "\(old.map { "\($0.utf8.count) bytes" } ?? "none"), \(new.map { "\($0.utf8.count) bytes" } ?? "none")"
        result.add(.init(part, new == nil ? .missing : old == nil ? .extra : .value, shape: shape, old: old, new: new))
    }

    /// The sorted names of the cookies that an answer sets; nil for none. Their values are mostly random.
    private func cookieNames(_ headers: HTTPFields) -> String? {
        let names = headers[values: .setCookie].map { String($0.prefix { $0 != "=" }) }
        return names.isEmpty ? nil : names.sorted().joined(separator: ", ")
    }
}

/// A comparison of bodies whose bytes differ. Called on any thread.
package protocol BodyComparing: Sendable {
    func compare(_ old: [UInt8], _ new: [UInt8]) -> ComparisonResult
}

/// Bodies are equal if all bytes are.
package struct ExactBodies: BodyComparing {
    package init() {}

    package func compare(_ old: [UInt8], _ new: [UInt8]) -> ComparisonResult {
        let offset = zip(old, new).enumerated().first { $1.0 != $1.1 }?.offset ?? min(old.count, new.count)
        var result = ComparisonResult()
        result.add(
            .init(
                .init(.body), old.count == new.count ? .value : .size,
                shape: "\(old.count) bytes, \(new.count) bytes; from byte \(offset) on", old: excerpt(old, offset),
                new: excerpt(new, offset)))
        return result
    }

    private func excerpt(_ bytes: [UInt8], _ offset: Int) -> String {
        String(decoding: bytes[max(0, offset - 20)..<min(bytes.count, offset + 60)], as: UTF8.self)
    }
}

private struct BodiesByClosure: BodyComparing {
    let closure: AnswerComparison.BodyComparison

    func compare(_ old: [UInt8], _ new: [UInt8]) -> ComparisonResult { closure(old, new) }
}
