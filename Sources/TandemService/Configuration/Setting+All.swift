internal import Logging
internal import Tandem
internal import TandemFetch
internal import TandemHTTP

extension Setting {
    /// Every key there is, in the order of config/tandemd.yaml.
    public static let all: [Setting] = [
        .text(
            "http.host", \.http.host, expectation: "a numeric IPv4 or IPv6 address, or localhost", flag: "--host",
            parse: { $0 == "localhost" || IPAddress($0) != nil ? $0 : nil }, render: { $0 }),
        .integer("http.port", \.http.port, 0...65_535, flag: "--port"),
        .list(
            "http.listen", \.http.addresses,
            expectation:
                "a list of addresses, each like 127.0.0.1:8080, [::1]:8443 tls, unix:/run/tandemd/http.sock or systemd:http",
            parse: { ListenAddress($0) }, render: \.description),
        .integer("http.hubs", \.http.hubs, 1...256, flag: "--hubs"),
        .integer("http.backlog", \.http.backlog, 1...65_535, unit: "connections"),
        .integer("http.max-connections", \.http.maxConnections, 1...1_000_000, unit: "connections"),
        .limit("http.max-connections-per-peer", \.http.maxConnectionsPerPeer, upTo: 1_000_000, unit: "connections"),
        .integer("http.max-requests-per-connection", \.http.maxRequestsPerConnection, 1...1_000_000_000, unit: "requests"),
        .integer("http.max-green-threads", \.http.maxGreenThreads, 1...10_000_000, unit: "green threads"),
        .integer("http.max-body-bytes", \.http.maxBodyBytes, 0...1_099_511_627_776, unit: "bytes"),
        .milliseconds("http.header-timeout-ms", \.http.headerTimeout, timeouts),
        .milliseconds("http.idle-timeout-ms", \.http.idleTimeout, timeouts),
        .milliseconds("http.body-timeout-ms", \.http.bodyTimeout, timeouts),
        .milliseconds("http.write-timeout-ms", \.http.writeTimeout, timeouts),
        .milliseconds("http.half-close-grace-ms", \.http.halfCloseGrace, 0...86_400_000),
        .milliseconds("http.linger-timeout-ms", \.http.lingerTimeout, 0...86_400_000),
        .boolean("http.trust-request-id", \.http.observing.trustsRequestID),
        .boolean("http.return-request-id", \.http.observing.returnsRequestID),
        .integer("http.limits.request-line-bytes", \.http.wireLimits.requestLine, 64...65_535, unit: "bytes"),
        .integer("http.limits.field-line-bytes", \.http.wireLimits.fieldLine, 64...65_535, unit: "bytes"),
        .integer("http.limits.field-count", \.http.wireLimits.fieldCount, 1...1_000, unit: "header fields"),
        .integer("http.limits.head-bytes", \.http.wireLimits.headBytes, 128...65_535, unit: "bytes"),
        .integer("http.limits.trailer-bytes", \.http.wireLimits.trailerBytes, 0...65_535, unit: "bytes"),
        .integer("http.limits.drain-bytes", \.http.drainLimit, 0...1_073_741_824, unit: "bytes"),
        .list(
            "tls.certificates", \.tls.certificates,
            expectation: "a list of PEM files: the certificate chain, a space, and its key; or one file with both",
            parse: { TLSConfiguration.Certificate($0) }, render: \.text),
        .text(
            "tls.client-ca", \.tls.clientAuthorities, expectation: "a PEM file, or \"\" for none",
            parse: { .some($0.isEmpty ? nil : $0) }, render: { $0 ?? "" }),
        .text(
            "tls.client-certificates", \.tls.clientCertificates,
            expectation: "one of \(TLSConfiguration.ClientCertificates.allCases.map(\.rawValue).joined(separator: ", "))",
            parse: { TLSConfiguration.ClientCertificates(rawValue: $0) }, render: \.rawValue),
        .text(
            "tls.minimum-version", \.tls.minimumVersion,
            expectation: "one of \(TLSConfiguration.Version.allCases.map(\.rawValue).joined(separator: ", "))",
            parse: { TLSConfiguration.Version(rawValue: $0) }, render: \.rawValue),
        .milliseconds("tls.handshake-timeout-ms", \.tls.handshakeTimeout, timeouts),
        .integer("hub.stack-size-kib", \.http.hub.stackSize, 64...1_048_576, unit: "KiB", scale: 1_024),
        .milliseconds("hub.stall-threshold-ms", \.stallThreshold, 0...86_400_000),
        .text(
            "hub.poller", \.http.hub.poller, expectation: "one of \(PollerKind.allCases.map(\.rawValue).joined(separator: ", "))",
            parse: { PollerKind(rawValue: $0) }, render: \.rawValue),
        .list(
            "fetch.allow", \.fetch.allow, expectation: "a list of origins, each like https://api.example.com:8443",
            flag: "--fetch-allow", parse: { Origin($0) }, render: \.description),
        .list(
            "fetch.private-hosts", \.fetch.privateHosts, expectation: "a list of host names",
            parse: { text in
                guard case .name(let name)? = URLHost(text) else { return nil }
                return name
            }, render: { $0 }),
        .milliseconds("fetch.timeout-ms", \.fetch.client.timeout, timeouts),
        .milliseconds("fetch.connect-timeout-ms", \.fetch.client.connectTimeout, timeouts),
        .limit("fetch.tls-timeout-ms", \.fetch.client.tlsTimeout),
        .limit("fetch.response-timeout-ms", \.fetch.client.responseTimeout),
        .limit("fetch.idle-timeout-ms", \.fetch.client.idleTimeout),
        .integer("fetch.max-per-origin", \.fetch.client.maxExchangesPerOrigin, 1...1_000_000, unit: "fetches"),
        .integer("fetch.max-waiting", \.fetch.client.maxWaitersPerOrigin, 0...1_000_000, unit: "fetches"),
        .milliseconds("fetch.queue-timeout-ms", \.fetch.client.queueTimeout, timeouts),
        .milliseconds("fetch.keep-alive-ms", \.fetch.client.keepAlive, 0...86_400_000),
        .milliseconds("fetch.max-connection-age-ms", \.fetch.client.maxConnectionAge, timeouts),
        .integer("fetch.max-idle-per-origin", \.fetch.client.maxIdlePerOrigin, 0...1_000_000, unit: "connections"),
        .integer("fetch.max-idle-per-hub", \.fetch.client.maxIdlePerHub, 0...1_000_000, unit: "connections"),
        .integer("fetch.attempts", \.fetch.client.retry.attempts, 1...10, unit: "attempts"),
        .milliseconds("fetch.retry-delay-ms", \.fetch.client.retry.baseDelay, timeouts),
        .milliseconds("fetch.retry-max-delay-ms", \.fetch.client.retry.maxDelay, timeouts),
        .milliseconds("fetch.retry-after-max-ms", \.fetch.client.retry.maxRetryAfter, 0...86_400_000),
        .integer("fetch.max-response-bytes", \.fetch.client.maxResponseBytes, 0...1_099_511_627_776, unit: "bytes"),
        .integer("fetch.max-redirects", \.fetch.maxRedirects, 0...20, unit: "redirects"),
        .choice("fetch.http-version", \.fetch.client.httpVersion),
        .file("fetch.ca-file", \.fetch.client.certificateAuthorities),
        .file("fetch.client-certificate", \.fetch.client.clientCertificate),
        .file("fetch.client-key", \.fetch.client.clientKey),
        .choice("fetch.min-tls-version", \.fetch.client.minimumTLSVersion),
        .milliseconds("shutdown.delay-ms", \.http.stopDelay, 0...86_400_000),
        .milliseconds("shutdown.grace-ms", \.http.stopGrace, 0...86_400_000),
        .milliseconds("shutdown.cleanup-ms", \.http.cleanupTimeout, 1...86_400_000),
        .text(
            "log.level", \.logLevel, expectation: "one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))",
            parse: { Logger.Level(rawValue: $0) }, render: \.rawValue),
        .choice("log.format", \.logFormat),
        .boolean("log.access", \.logsAccess),
        .choice("log.access-format", \.accessFormat),
        .text(
            "admin.listen", \.adminListen,
            expectation: "an address like 127.0.0.1:8081, [::1]:8081, unix:PATH or systemd:NAME, without tls, or nothing",
            parse: { text in
                guard !text.isEmpty else { return .some(nil) }
                guard let address = ListenAddress(text), !address.isTLS else { return nil }
                return .some(address)
            }, render: { $0?.description ?? "" }),
        .choice("trace.mode", \.traceMode),
        .boolean("trace.log-spans", \.logsSpans),
    ]

    /// At most a day: longer is a typing error, and no deadline ever overflows.
    private static let timeouts = 1...86_400_000
}
