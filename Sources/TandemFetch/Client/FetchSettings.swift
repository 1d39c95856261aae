internal import HTTPTypes
internal import Tandem

/// A client's configuration and the values derived from it. Exchanges share one instance by reference.
final class FetchSettings: Sendable {
    let configuration: FetchConfiguration
    let tls: TLSIdentity
    /// The limits in nanoseconds; `max` for no limit.
    let timeLimit, tlsLimit, responseLimit, idleLimit, keepAlive, maxAge: UInt64
    /// Whether the client keeps idle connections.
    let keepsConnections: Bool
    /// The shortest of `tlsLimit`, `responseLimit` and `idleLimit`.
    let shortestLimit: UInt64
    /// The field lines for requests that do not set these fields.
    let userAgentLine, acceptEncodingLine: [UInt8]

    init(_ configuration: FetchConfiguration) {
        func limit(_ duration: Duration?) -> UInt64 { duration?.nanosecondsClamped ?? .max }
        self.configuration = configuration
        tls = TLSIdentity(configuration)
        timeLimit = limit(configuration.timeout)
        tlsLimit = limit(configuration.tlsTimeout)
        responseLimit = limit(configuration.responseTimeout)
        idleLimit = limit(configuration.idleTimeout)
        keepAlive = limit(configuration.keepAlive)
        maxAge = limit(configuration.maxConnectionAge)
        keepsConnections = keepAlive > 0 && configuration.maxIdlePerOrigin > 0 && configuration.maxIdlePerHub > 0
        shortestLimit = min(tlsLimit, responseLimit, idleLimit)
        userAgentLine = configuration.userAgent.map { FetchSettings.line(HTTPField(name: .userAgent, value: $0)) } ?? []
        acceptEncodingLine =
            configuration.decompresses
            ? FetchSettings.line(HTTPField(name: .acceptEncoding, value: Inflater.accepted)) : []
    }

    private static func line(_ field: HTTPField) -> [UInt8] {
        var line: [UInt8] = []
        line.append(field)
        return line
    }
}

/// The TLS settings of a client. Clients share TLS connections to an origin only if these are equal.
struct TLSIdentity: Hashable, Sendable {
    let verifies: Bool
    let authorities, certificate, key: String?
    let minimum: FetchConfiguration.TLSVersion

    init(_ configuration: FetchConfiguration) {
        verifies = configuration.verifiesCertificates
        authorities = configuration.certificateAuthorities
        certificate = configuration.clientCertificate
        key = configuration.clientKey
        minimum = configuration.minimumTLSVersion
    }
}
