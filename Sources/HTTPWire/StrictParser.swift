/// The strict scan of one head: how far it has come, and what it has found.
///
/// It scans no byte twice, and names the error in a head that is wrong.
protocol StrictScan: Sendable {
    associatedtype Head

    /// Which kind of message the errors are about.
    static var message: HTTPParseError.Message { get }

    /// The error that ended the scan. A further scan would begin behind it, and take the rest.
    var failure: HTTPParseError? { get set }

    init()

    /// Scans the bytes that are new, and returns whether the head is complete.
    mutating func scan(_ bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) -> Bool

    /// Returns the head that is complete, after the checks that need all of it.
    func head(_ bytes: Span<UInt8>, reusing spare: inout Head?) throws(HTTPParseError) -> Head?
}

/// The part of a head parser that keeps a scan until its head is complete, and its error for good.
struct StrictParser<Scan: StrictScan>: Sendable {
    /// The scan of a head that is not complete, or was refused: one, or none. In an array, because its state is large and a
    /// head that arrives whole does not need it.
    private(set) var scans: [Scan] = []

    /// Whether no head has begun.
    @inline(__always) var isIdle: Bool { scans.isEmpty }

    /// Scans the bytes that are new, and returns the head once it is complete. Errors are final.
    @inline(never)
    mutating func parse(
        _ bytes: Span<UInt8>, limits: HeadLimits, reusing spare: inout Scan.Head?
    ) throws(HTTPParseError) -> Scan.Head? {
        if scans.isEmpty {
            if bytes.isEmpty { return nil }
            scans.append(Scan())
        }
        if let failure = scans[0].failure { throw failure }
        do throws(HTTPParseError) {
            guard try scans[0].scan(bytes, limits: limits) else { return nil }
            let head = try scans[0].head(bytes, reusing: &spare)
            scans = []
            return head
        } catch {
            let failure = HTTPParseError(error.code, in: Scan.message)
            scans[0].failure = failure
            throw failure
        }
    }
}
