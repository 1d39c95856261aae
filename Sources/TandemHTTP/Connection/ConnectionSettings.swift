internal import HTTPWire
internal import Tandem

/// The part of a server's configuration that its connections read. A `reload` replaces it as a whole.
///
/// A class, so that a request reads a value through one reference and copies nothing; times in nanoseconds, for arithmetic
/// with the hub's clock.
final class ConnectionSettings {
    let wireLimits: HTTPWireLimits
    let maxBodyBytes: Int
    let maxRequests: Int
    let maxGreenThreads: Int
    /// Bytes of an unread body that are read and dropped to keep the connection.
    let drainLimit: Int
    let headerTimeout: Duration
    let bodyTimeout: Duration
    let writeTimeout: Duration
    let lingerTimeout: Duration
    let headerNanoseconds: UInt64
    let idleNanoseconds: UInt64
    let graceNanoseconds: UInt64
    /// `idleTimeout` in seconds, for the field `Keep-Alive`.
    let idleSeconds: Int
    let accessLog: (any AccessLog)?
    let trustsRequestID: Bool
    let returnsRequestID: Bool

    init(
        wireLimits: HTTPWireLimits, maxBodyBytes: Int, maxRequests: Int, maxGreenThreads: Int, drainLimit: Int,
        headerTimeout: Duration, idleTimeout: Duration, bodyTimeout: Duration, writeTimeout: Duration, halfCloseGrace: Duration,
        lingerTimeout: Duration, accessLog: (any AccessLog)?, trustsRequestID: Bool, returnsRequestID: Bool
    ) {
        self.wireLimits = wireLimits
        self.maxBodyBytes = maxBodyBytes
        self.maxRequests = maxRequests
        self.maxGreenThreads = maxGreenThreads
        self.drainLimit = drainLimit
        self.headerTimeout = headerTimeout
        self.bodyTimeout = bodyTimeout
        self.writeTimeout = writeTimeout
        self.lingerTimeout = lingerTimeout
        headerNanoseconds = headerTimeout.nanosecondsClamped
        idleNanoseconds = idleTimeout.nanosecondsClamped
        graceNanoseconds = halfCloseGrace.nanosecondsClamped
        idleSeconds = Int(idleTimeout.components.seconds)
        self.accessLog = accessLog
        self.trustsRequestID = trustsRequestID
        self.returnsRequestID = returnsRequestID
    }
}
