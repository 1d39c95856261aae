import HTTPTypes
import TandemHTTP
import Testing

@testable import TandemDaemon

@Suite(.timeLimit(.minutes(1)))
struct AdminAccessTests {
    private let token = "0123456789abcdef-secret"

    private func refusal(
        _ access: AdminAccess, _ headers: HTTPFields, path: String = "/metrics"
    ) -> HTTPResponse.Status? {
        do throws(HTTPError) {
            try access.check(Request(path: path, headers: headers))
            return nil
        } catch {
            return error.status
        }
    }

    @Test(arguments: [
        "127.0.0.1", "127.0.0.1:8081", "[::1]:8081", "[::1]", "10.1.2.3:8081", "localhost", "LOCALHOST:8081", "localhost.",
        "shop.monitoring.svc", "Shop.Monitoring.SVC:8081",
    ])
    func `an IP address, localhost and configured names are accepted as the host`(host: String) {
        // A dot at the end is that of a fully qualified name.
        for name in ["shop.monitoring.svc", "SHOP.monitoring.svc."] {
            let access = AdminAccess(hosts: [name], token: nil, isLocal: false)
            #expect(refusal(access, [.host: host]) == nil)
        }
    }

    @Test(arguments: [
        "evil.test", "evil.test:8081", "localhost.evil.test", "127.0.0.1.evil.test", "monitoring.svc", "a.shop.monitoring.svc",
        "0x7f000001", "2130706433", "127.1",
    ])
    func `another host is refused, so that a web site cannot read by DNS rebinding`(host: String) {
        let access = AdminAccess(hosts: ["shop.monitoring.svc"], token: nil, isLocal: false)
        #expect(refusal(access, [.host: host]) == .misdirectedRequest)
    }

    @Test func `a unix socket accepts every host`() {
        #expect(refusal(AdminAccess(hosts: [], token: nil, isLocal: true), [.host: "shop"]) == nil)
    }

    @Test func `requests that another site causes are refused, links to the page are not`() {
        let access = AdminAccess(hosts: [], token: nil, isLocal: false)
        let site = HTTPField.Name("Sec-Fetch-Site")!
        let mode = HTTPField.Name("Sec-Fetch-Mode")!
        let destination = HTTPField.Name("Sec-Fetch-Dest")!
        for site in [[site: "cross-site"], [site: "same-site"], [site: "CROSS-SITE"]] as [HTTPFields] {
            for other in [[:], [mode: "no-cors"], [mode: "navigate"], [mode: "navigate", destination: "iframe"]] as [HTTPFields] {
                for path in ["/metrics", "/debug/ui", "/debug/events"] {
                    #expect(refusal(access, HTTPFields(Array(site) + Array(other)), path: path) == .forbidden)
                }
            }
            let link = HTTPFields(
                Array(site) + [.init(name: mode, value: "navigate"), .init(name: destination, value: "document")])
            #expect(refusal(access, link, path: "/debug/ui") == nil && refusal(access, link, path: "/") == nil)
            #expect(refusal(access, link, path: "/debug/events") == .forbidden)
        }
        #expect(refusal(access, [site: "same-origin", mode: "cors"]) == nil && refusal(access, [site: "none"]) == nil)
    }

    @Test func `with a token, only requests that have it are answered`() {
        let access = AdminAccess(hosts: [], token: token, isLocal: false)
        #expect(refusal(access, [:]) == .unauthorized)
        #expect(refusal(access, [.authorization: "Bearer \(token)"]) == nil)
        #expect(refusal(access, [.authorization: "bearer \(token)"]) == nil)
        // "x:0123456789abcdef-secret" and ":0123456789abcdef-secret"
        #expect(refusal(access, [.authorization: "Basic eDowMTIzNDU2Nzg5YWJjZGVmLXNlY3JldA=="]) == nil)
        #expect(refusal(access, [.authorization: "Basic OjAxMjM0NTY3ODlhYmNkZWYtc2VjcmV0"]) == nil)
    }

    @Test(arguments: [
        "", "Bearer", "Bearer ", "Bearer 0123456789abcdef-secre", "Bearer 0123456789abcdef-secretx", "Basic", "Basic !!!!",
        "Basic eDo=", "Basic eA==", "Basic e", "Basic ====", "Digest 0123456789abcdef-secret", "0123456789abcdef-secret",
    ])
    func `no other text passes for the token`(text: String) {
        #expect(refusal(AdminAccess(hosts: [], token: token, isLocal: true), [.authorization: text]) == .unauthorized)
    }

    @Test func `a reload replaces the names and the token`() {
        let access = AdminAccess(hosts: ["a.test"], token: nil, isLocal: false)
        access.reload(hosts: ["b.test"], token: token)
        #expect(refusal(access, [.host: "a.test", .authorization: "Bearer \(token)"]) == .misdirectedRequest)
        #expect(refusal(access, [.host: "b.test", .authorization: "Bearer \(token)"]) == nil)
        #expect(refusal(access, [.host: "b.test"]) == .unauthorized)
    }
}

extension HTTPField.Name {
    fileprivate static let host = Self("Host")!
}
