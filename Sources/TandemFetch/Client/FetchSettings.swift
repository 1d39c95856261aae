internal import HTTPTypes
internal import Tandem

/// A client's configuration, and what is derived from it once: exchanges refer to it and copy nothing.
final class FetchSettings: Sendable {
    let configuration: FetchConfiguration
    let tls: TLSIdentity
    /// Limits in nanoseconds; `max` for none.
    let timeLimit, tlsLimit, responseLimit, idleLimit, keepAlive, maxAge: UInt64
    /// Whether connections are kept at all.
    let keepsConnections: Bool
    /// The shortest limit of a phase that has begun.
    let shortestLimit: UInt64
    /// The field lines of each request that has no such fields of its own.
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

/// What makes two TLS connections to one origin different: they are shared only between clients that agree on it.
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
