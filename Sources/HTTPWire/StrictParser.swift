/// The state of a strict scan of one head: its position, and what it has found so far.
///
/// A scan reads no byte twice. It throws the error that describes what is wrong with a head.
protocol StrictScan: Sendable {
    associatedtype Head

    /// The kind of message that the scan reads, for its errors.
    static var message: HTTPParseError.Message { get }

    /// The error that ended the scan. It must be thrown again at each later call: the scan would otherwise continue after the
    /// bytes that caused the error, and accept the rest.
    var failure: HTTPParseError? { get set }

    init()

    /// Scans the bytes that have arrived since the previous call, and returns whether the head is complete.
    mutating func scan(_ bytes: Span<UInt8>, limits: HeadLimits) throws(HTTPParseError) -> Bool

    /// Checks the complete head as a whole, and returns it.
    func head(_ bytes: Span<UInt8>, reusing spare: inout Head?) throws(HTTPParseError) -> Head?
}

/// The part of a head parser that keeps the state of a scan between calls, until the head is complete. It keeps an error for
/// good.
struct StrictParser<Scan: StrictScan>: Sendable {
    /// The scan of a head that is incomplete or was refused; at most one. It is in an array because its state is large and a
    /// head that arrives whole does not need it.
    private(set) var scans: [Scan] = []

    /// Whether there is no head that has begun and is incomplete, or was refused.
    @inline(__always) var isIdle: Bool { scans.isEmpty }

    /// Scans the bytes that have arrived since the previous call, and returns the head once it is complete. After an error,
    /// each later call throws the same error.
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
