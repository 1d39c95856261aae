import Logging
import COpenSSL
import Glibc
import Tandem
import TandemHTTP
import TandemTesting
import Testing

extension ServerTests {
    struct TLSContextTests {
        static let good = TestCertificate(["localhost"])
        let directory = TemporaryDirectory()

        /// Returns the error that `run` throws.
        private func failure(_ tls: TLSConfiguration?) async -> TLSError? {
            var configuration = HTTPServerConfiguration()
            configuration.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
            configuration.tls = tls
            let server = HTTPServer(router: Router(), configuration: configuration)
            let ran = await Task { try await server.run() }.result
            let waited = await Task { try await server.waitUntilListening() }.result
            guard case .failure(let error as TLSError) = ran, case .failure(let same as TLSError) = waited else { return nil }
            #expect(error.message == same.message)
            return error
        }

        private func failure(chain: String, key: String) async -> TLSError? {
            await failure(TLSConfiguration(certificates: [.init(chain: chain, key: key)]))
        }

        @Test
        func `an address with TLS needs a certificate`() async {
            let none = await failure(nil)
            #expect(none?.code == .noCertificate)
            #expect(none?.message == "cannot listen on 127.0.0.1:0 tls: no certificate is configured for TLS")
            #expect(await failure(TLSConfiguration())?.code == .noCertificate)
        }

        @Test
        func `an error names a missing file`() async {
            let key = directory.write("key", Self.good.keyText)
            let chain = directory.write("crt", Self.good.certificateText)
            for (chain, key) in [("/nowhere/crt", key), (chain, "/nowhere/key")] {
                let error = await failure(chain: chain, key: key)
                #expect(error?.code == .unreadableFile)
                #expect(error?.errno == ENOENT)
                #expect(error?.file?.hasPrefix("/nowhere/") == true)
                #expect(error?.message == "\(error?.file ?? "") does not exist")
            }
        }

        @Test
        func `an error names an unreadable file`() async {
            // A directory, because root may read any file.
            let error = await failure(chain: directory.path, key: directory.path)
            #expect(error?.code == .unreadableFile)
            #expect(error?.message == "\(directory.path) cannot be read: Is a directory")
        }

        @Test
        func `an error names a file that is not PEM or has the wrong content`() async {
            let key = directory.write("key", Self.good.keyText)
            let chain = directory.write("crt", Self.good.certificateText)
            let text = directory.write("txt", "hello")
            let broken = directory.write(
                "broken", Self.good.certificateText + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
            for (chain, key, culprit) in [
                (text, key, text), (key, key, key), (broken, key, broken), (chain, text, text), (chain, chain, chain),
            ] {
                let error = await failure(chain: chain, key: key)
                #expect(error?.code == .malformedFile)
                #expect(error?.file == culprit)
                #expect(error?.message.hasPrefix("\(culprit) is not a PEM file of ") == true)
            }
        }

        @Test
        func `an error names a key that does not belong to the certificate`() async {
            let other = TestCertificate(["localhost"])
            let rsa = TestCertificate(["localhost"], rsaBits: 2_048)
            let chain = directory.write("crt", Self.good.certificateText)
            for key in [directory.write("other", other.keyText), directory.write("rsa", rsa.keyText)] {
                let error = await failure(chain: chain, key: key)
                #expect(error?.code == .keyMismatch)
                #expect(error?.file == key)
                #expect(error?.message.contains(chain) == true)
            }
        }

        @Test
        func `an encrypted key is refused without a prompt on the terminal`() async {
            let error = await failure(
                chain: directory.write("crt", Self.good.certificateText), key: directory.write("key", Self.good.encryptedKeyText))
            #expect(error?.code == .encryptedKey)
            #expect(error?.message.contains("openssl pkey -in \(directory.path)/key") == true)
        }

        @Test
        func `a weak key is refused`() async {
            let weak = TestCertificate(["localhost"], rsaBits: 1_024)
            let error = await failure(
                chain: directory.write("crt", weak.certificateText), key: directory.write("key", weak.keyText))
            #expect(error?.code == .unacceptable)
            #expect(error?.message == "OpenSSL refuses what is in \(directory.path)/crt: ee key too small")
        }

        @Test
        func `client certificates need authorities`() async {
            var tls = TLSConfiguration.with([Self.good], in: directory)
            tls.clientCertificates = .optional
            #expect(await failure(tls)?.code == .noAuthorities)
            tls.clientAuthorities = directory.write("ca", "hello")
            #expect(await failure(tls)?.file == directory.path + "/ca")
        }

        @Test
        func `one file may hold certificate, chain and key, with RSA as with EC`() async throws {
            let authority = TestCertificate(["ca"], isAuthority: true)
            let middle = TestCertificate(["middle"], issuer: authority, isAuthority: true)
            let leaf = TestCertificate(["localhost"], issuer: middle, rsaBits: 2_048)
            let file = directory.write("all.pem", leaf.keyText + leaf.certificateText + middle.certificateText)
            try await withServer(
                {
                    $0.tls = TLSConfiguration(certificates: [.init(chain: file, key: file)])
                    $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                }, routes: { $0.plain() }
            ) { live in
                let client = try live.connectTLS(TestTLS(authority: authority))
                try client.send(.get, "/")
                #expect(try client.receiveResponse().text == "ok")
            }
        }

        @Test
        func `a certificate that has expired or is not yet valid is served with a warning`() async throws {
            for (valid, words) in [(-7200 ..< -3600, "has expired"), (3600..<7200, "is not valid yet")] {
                let certificate = TestCertificate(["localhost"], validSeconds: valid)
                try await withServer(
                    {
                        $0.tls = .with([certificate], in: directory)
                        $0.addresses = [.tcp("127.0.0.1", port: 0, tls: true)]
                    }, routes: { $0.plain() }
                ) { live in
                    let lines = live.log.lines
                    #expect(lines.map(\.level) == [.warning])
                    #expect(
                        lines.first?.message == "the certificate in \(directory.path)/0.crt \(words): clients will refuse it")
                    #expect(throws: TestClientError.self) { try live.connectTLS(TestTLS(authority: certificate)) }
                }
            }
        }
    }
}
