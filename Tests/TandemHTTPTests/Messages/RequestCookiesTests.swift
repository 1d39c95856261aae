import TandemHTTP
import Testing

@Suite struct RequestCookiesTests {
    private func cookies(_ lines: String...) -> RequestCookies {
        var headers = HTTPFields()
        for line in lines { headers.append(HTTPField(name: .cookie, value: line)) }
        return Request(path: "/", headers: headers).cookies
    }

    private func pairs(_ line: String) -> [String] { cookies(line).map { "\($0.name)=\($0.value)" } }

    @Test func `cookies are read in order`() {
        let cookies = cookies("SID=31d4d96e407aad42; lang=en-US; SID=2")
        #expect(cookies["SID"] == "31d4d96e407aad42")
        #expect(cookies["lang"] == "en-US")
        #expect(cookies["Lang"] == nil)
        #expect(cookies.values(of: "SID") == ["31d4d96e407aad42", "2"])
        #expect(cookies.map(\.name) == ["SID", "lang", "SID"])
        #expect(cookies.count == 3)
    }

    @Test func `a request without cookies has none`() {
        #expect(Request(path: "/").cookies.isEmpty)
        #expect(cookies("").isEmpty)
    }

    @Test func `the cookies of several fields are joined`() {
        #expect(cookies("a=1", "b=2; c=3", "d=4").map(\.value) == ["1", "2", "3", "4"])
    }

    @Test func `quotes are part of a value`() {
        #expect(pairs("a=\"b c\"; d=\"") == ["a=\"b c\"", "d=\""])
    }

    @Test func `a value may have equals signs, commas, spaces and text beyond ASCII`() {
        #expect(pairs("a=b=c==; j={\"x\":[1, 2]}; u=é☃; e=") == ["a=b=c==", "j={\"x\":[1, 2]}", "u=é☃", "e="])
    }

    @Test func `blanks around names and values are left out`() {
        #expect(pairs("  a =  1 ;b=2;\t c\t=\t3 ;;  ; ") == ["a=1", "b=2", "c=3"])
    }

    @Test(arguments: ["a", "=1", " =1", "a b=1", "\"a\"=1", "(=1", "é=1", ";", "a,b=1"])
    func `a malformed pair is left out, and the others stay`(pair: String) {
        #expect(pairs("x=1; \(pair); y=2") == ["x=1", "y=2"])
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `any field is read without a crash, and has only tokens as names`(seed: UInt64) {
        var generator = MessageGenerator(state: seed)
        for _ in 0..<2_500 {
            // A client's head is refused when it has these.
            let line = generator.text(upTo: 40).filter {
                !"\r\n\0".contains($0) && $0 != "\r\n" && $0 != "\u{7F}" && $0 != "\u{1}"
            }
            let cookies = cookies(line)
            #expect(cookies.count <= line.utf8.count { $0 == UInt8(ascii: ";") } + 1)
            for cookie in cookies {
                #expect(!cookie.name.isEmpty && !cookie.name.contains(where: { " =;,\"".contains($0) }))
                #expect(!cookie.value.contains(";"))
            }
        }
    }
}
