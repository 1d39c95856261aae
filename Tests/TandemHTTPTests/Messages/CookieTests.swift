import TandemHTTP
import TandemTesting
import Testing

@Suite struct CookieTests {
    private func field(_ cookie: Cookie) throws -> String? {
        var response = Response(text: "")
        try response.setCookie(cookie)
        return response.headers[.setCookie]
    }

    private func refused(_ cookie: Cookie) -> CookieError.Part? {
        do {
            _ = try field(cookie)
            return nil
        } catch {
            return (error as? CookieError)?.part
        }
    }

    @Test func `the defaults are the safe ones`() throws {
        #expect(try field(Cookie("a", "b")) == "a=b; Path=/; Secure; HttpOnly; SameSite=Lax")
    }

    @Test func `all attributes are written`() throws {
        let cookie = Cookie(
            "id", "\"x\"", path: "/a b", domain: "Example.com", maxAge: .milliseconds(90_500),
            expires: HTTPDate(unixSeconds: 784_111_777), isSecure: false, isHTTPOnly: false, sameSite: .strict)
        #expect(
            try field(cookie)
                == "id=\"x\"; Path=/a b; Domain=Example.com; Max-Age=90; Expires=Sun, 06 Nov 1994 08:49:37 GMT; SameSite=Strict")
        #expect(try field(Cookie("a", "", path: nil, sameSite: .none)) == "a=; Secure; HttpOnly; SameSite=None")
    }

    @Test func `each cookie has a field of its own`() throws {
        var response = Response(text: "")
        try response.setCookie(Cookie("a", "1", expires: HTTPDate(unixSeconds: 0)))
        try response.setCookie(Cookie("b", "2"))
        #expect(response.headers[values: .setCookie].map { $0.prefix(3) } == ["a=1", "b=2"])
        #expect(response.headers.filter { $0.name == .setCookie }.count == 2)
    }

    @Test func `deleting a cookie sets a moment in the past`() throws {
        var response = Response(text: "")
        try response.deleteCookie("__Host-a")
        try response.deleteCookie("b", path: "/x", domain: "example.com", isSecure: false)
        #expect(
            response.headers[values: .setCookie] == [
                "__Host-a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax",
                "b=; Path=/x; Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax",
            ])
    }

    @Test(arguments: ["", "a b", "a=b", "a;b", "a,b", "a\r\nX: y", "é", "\"a\"", "a\0", "a\u{7F}", "(a)"])
    func `a name that is not a token is refused`(name: String) { #expect(refused(Cookie(name, "v")) == .name) }

    @Test(arguments: ["a b", "a;b", "a,b", "a\\b", "a\"b", "\"", "\"a", "a\"", "é", "a\r\nX: y", "a\0", "a\t", "\u{7F}"])
    func `a value with a character that no cookie may have is refused`(value: String) {
        #expect(refused(Cookie("a", value)) == .value)
    }

    @Test(arguments: ["", "\"\"", "\"a\"", "!#$%&'()*+-./09:<=>?@AZ[]^_`az{|}~"])
    func `a value of all allowed characters is set`(value: String) { #expect(refused(Cookie("a", value)) == nil) }

    @Test func `a cookie that browsers do not store because of its size is refused`() {
        #expect(refused(Cookie("ab", String(repeating: "x", count: 4_094))) == nil)
        #expect(refused(Cookie("ab", String(repeating: "x", count: 4_095))) == .value)
    }

    @Test(arguments: ["", "a", "/a;b", "/a\r\nX: y", "/é", "/a ", "/" + String(repeating: "a", count: 1_024)])
    func `a path that browsers do not take is refused`(path: String) { #expect(refused(Cookie("a", "b", path: path)) == .path) }

    @Test(arguments: [
        "", ".", ".example.com", "example.com.", "a..b", "-a.com", "a-.com", "a_b.com", "a b", "é.com", "a;b", "a\r\nX: y",
        "[::1]",
        String(repeating: "a", count: 64) + ".com",
    ])
    func `a domain that is no domain name is refused`(domain: String) {
        #expect(refused(Cookie("a", "b", domain: domain)) == .domain)
    }

    @Test func `ages and moments that clients do not take are refused`() {
        #expect(refused(Cookie("a", "b", maxAge: .zero)) == .maxAge)
        #expect(refused(Cookie("a", "b", maxAge: .seconds(-1))) == .maxAge)
        #expect(refused(Cookie("a", "b", maxAge: .milliseconds(999))) == .maxAge)
        #expect(refused(Cookie("a", "b", maxAge: .seconds(Int64.max))) == nil)
        #expect(refused(Cookie("a", "b", expires: HTTPDate(unixSeconds: .min))) == .expires)
        #expect(refused(Cookie("a", "b", expires: HTTPDate(unixSeconds: .max))) == nil)
    }

    @Test func `the rules of prefixes and SameSite are enforced`() {
        #expect(refused(Cookie("a", "b", isSecure: false, sameSite: .none)) == .sameSite)
        for name in ["__Secure-a", "__secure-a", "__SECURE-"] {
            #expect(refused(Cookie(name, "b")) == nil)
            #expect(refused(Cookie(name, "b", path: "/x", domain: "a.com")) == nil)
            #expect(refused(Cookie(name, "b", isSecure: false)) == .prefix)
        }
        for name in ["__Host-a", "__host-a", "__HOST-"] {
            #expect(refused(Cookie(name, "b")) == nil)
            #expect(refused(Cookie(name, "b", isSecure: false)) == .prefix)
            #expect(refused(Cookie(name, "b", path: "/x")) == .prefix)
            #expect(refused(Cookie(name, "b", path: nil)) == .prefix)
            #expect(refused(Cookie(name, "b", domain: "a.com")) == .prefix)
        }
        #expect(refused(Cookie("__Hostess", "b", isSecure: false)) == nil)
    }

    @Test func `an error does not have the value in it`() throws {
        var response = Response(text: "")
        let error = try #require(throws: CookieError.self) { try response.setCookie(Cookie("session", "se cret")) }
        #expect(!error.description.contains("cret"))
        #expect(error.description.contains("session"))
        #expect(response.headers[.setCookie] == nil)
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `whatever is set reads back the same, and nothing else is set`(seed: UInt64) throws {
        var generator = MessageGenerator(state: seed)
        var accepted = 0
        for round in 0..<2_500 {
            let name = generator.text(upTo: 4)
            // Otherwise few are accepted.
            let value = round % 2 == 0 ? generator.text(upTo: 8) : String(generator.next(), radix: 36)
            let path = Bool.random(using: &generator) ? "/" + generator.text(upTo: 3) : "/"
            let domain = Bool.random(using: &generator) ? generator.text(upTo: 4) : nil
            guard let set = try? field(Cookie(name, value, path: path, domain: domain)) else { continue }
            accepted += 1
            #expect(set.utf8.allSatisfy { 0x20..<0x7F ~= $0 })
            #expect(set.split(separator: ";").count == 5 + (domain == nil ? 0 : 1))
            let sent = set.split(separator: ";")[0]
            let cookies = Request(path: "/", headers: [.cookie: "x=1; \(sent); y=2"]).cookies
            #expect(cookies.map(\.name) == ["x", name, "y"])
            #expect(cookies.map(\.value) == ["1", value, "2"])
        }
        #expect(accepted > 50)
    }
}

extension ServerTests {
    @Suite struct LiveCookieTests {
        @Test(arguments: Style.allCases)
        func `each cookie is a line of its own, and the client's cookies arrive`(style: Style) async throws {
            try await withServer(routes: { router in
                router.on(.get, "/", style) { request in
                    var response = Response(text: request.cookies.map { "\($0.name)=\($0.value)" }.joined(separator: "|"))
                    try response.setCookie(Cookie("a", "1", expires: HTTPDate(unixSeconds: 0)))
                    try response.setCookie(Cookie("b", "2"))
                    return response
                }
            }) { live in
                let client = try live.connect()
                for _ in 0..<3 {
                    try client.send("GET / HTTP/1.1\r\nHost: a\r\nCookie: x=1; y=\"2\"\r\nCookie: z=3\r\n\r\n")
                    let answer = try client.receiveResponse()
                    #expect(answer.text == "x=1|y=\"2\"|z=3")
                    let set = answer.headers[values: .setCookie]
                    #expect(
                        set == [
                            "a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax",
                            "b=2; Path=/; Secure; HttpOnly; SameSite=Lax",
                        ])
                }
            }
        }
    }
}
