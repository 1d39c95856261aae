import TandemHTTP
import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct ContradictionsTests {
    private func load(
        _ environment: [String: String], options: [String: [String]] = [:]
    ) throws -> DaemonConfiguration {
        try ConfigurationLoader(file: packageRoot + "/config/tandemd.yaml", options: options, environment: environment).load()
            .values
    }

    private func problems(_ environment: [String: String], options: [String: [String]] = [:]) -> [String] {
        do {
            _ = try load(environment, options: options)
            return []
        } catch {
            return (error as? ConfigurationError)?.problems.map(\.description) ?? ["\(error)"]
        }
    }

    @Test func `every key for TLS is read`() throws {
        let configuration = try load([
            "TANDEM_HTTP_LISTEN": "[::1]:8443 tls, unix:/run/a.sock", "TANDEM_TLS_CERTIFICATES": "a.crt a.key, both.pem",
            "TANDEM_TLS_CLIENT_CA": "ca.pem", "TANDEM_TLS_CLIENT_CERTIFICATES": "required", "TANDEM_TLS_MINIMUM_VERSION": "1.3",
            "TANDEM_TLS_HANDSHAKE_TIMEOUT_MS": "1500",
        ])
        #expect(configuration.http.addresses == [.tcp("::1", port: 8443, tls: true), .unix("/run/a.sock")])
        var tls = TLSConfiguration(certificates: [
            .init(chain: "a.crt", key: "a.key"), .init(chain: "both.pem", key: "both.pem"),
        ])
        tls.clientAuthorities = "ca.pem"
        tls.clientCertificates = .required
        tls.minimumVersion = .tls13
        tls.handshakeTimeout = .milliseconds(1500)
        #expect(configuration.http.tls == tls)
    }

    @Test func `malformed values are refused`() {
        for (variable, value) in [
            ("TANDEM_HTTP_LISTEN", "8080"), ("TANDEM_TLS_CERTIFICATES", "a b c"), ("TANDEM_TLS_CLIENT_CERTIFICATES", "yes"),
            ("TANDEM_TLS_MINIMUM_VERSION", "1.1"), ("TANDEM_TLS_HANDSHAKE_TIMEOUT_MS", "0"),
        ] {
            let found = problems([variable: value])
            #expect(found.count == 1 && found[0].hasPrefix("\(variable): "), "\(found)")
        }
    }

    @Test func `an address with TLS needs a certificate`() {
        #expect(
            problems(["TANDEM_HTTP_LISTEN": "127.0.0.1:1,127.0.0.1:2 tls"])
                == [#"TANDEM_HTTP_LISTEN: http.listen: "127.0.0.1:2 tls" asks for TLS, and tls.certificates names none"#])
    }

    @Test func `client certificates need an authority`() {
        #expect(
            problems(["TANDEM_TLS_CLIENT_CERTIFICATES": "optional"]) == [
                #"TANDEM_TLS_CLIENT_CERTIFICATES: tls.client-certificates: "optional" needs tls.client-ca, to check the certificates by"#
            ])
    }

    @Test(arguments: ["127.0.0.1:1,[::1]:1,127.0.0.1:1", "unix:/run/a.sock,unix:/run/a.sock mode=600", "systemd:a,systemd:a"])
    func `an address that is listed twice is refused`(addresses: String) {
        let found = problems(["TANDEM_HTTP_LISTEN": addresses])
        #expect(found.count == 1 && found[0].hasPrefix("TANDEM_HTTP_LISTEN: http.listen: names "), "\(found)")
    }

    @Test func `the admin listener needs an address that the service does not have`() {
        #expect(
            problems(["TANDEM_HTTP_PORT": "8081", "TANDEM_HTTP_HOST": "127.0.0.1", "TANDEM_ADMIN_LISTEN": "127.0.0.1:8081"]) == [
                #"TANDEM_ADMIN_LISTEN: admin.listen: "127.0.0.1:8081" is also an address of the service: choose another one"#
            ])
        #expect(problems(["TANDEM_HTTP_LISTEN": "127.0.0.1:0,127.0.0.1:0", "TANDEM_ADMIN_LISTEN": "127.0.0.1:0"]) == [])
    }

    @Test func `a file of certificates must be a regular file`() {
        for key in ["FETCH_CA_FILE", "FETCH_CLIENT_CERTIFICATE", "FETCH_CLIENT_KEY"] {
            #expect(problems(["TANDEM_\(key)": "/tmp"]).first?.contains("the path of a file that can be read") == true)
        }
    }

    @Test func `an option without effect is refused`() {
        #expect(
            problems(["TANDEM_HTTP_LISTEN": "127.0.0.1:1"], options: ["http.port": ["2"]]) == [
                "--port: http.port: has no effect, because http.listen (TANDEM_HTTP_LISTEN) says where to listen: leave one out"
            ])
    }
}
