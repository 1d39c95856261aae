import TandemHTTP
import Testing

@Suite(.timeLimit(.minutes(1)))
struct FormTests {
    private let type: HTTPFields = [.contentType: "application/x-www-form-urlencoded"]

    private func request(_ body: String, type: String? = "application/x-www-form-urlencoded") -> Request {
        Request(method: .post, path: "/", headers: type.map { [.contentType: $0] } ?? [:], body: Array(body.utf8))
    }

    /// A body in memory never waits, so this needs no green thread.
    private static func blockingForm(_ request: Request) throws -> QueryItems { try request.form() }

    @Test func `a form is read in both styles`() async throws {
        let text = "name=Ada+L%C3%B6ve&age=36&tag=a&tag=b&empty="
        let form = try await request(text).form()
        let blocking = try Self.blockingForm(request(text))
        #expect(form == blocking)
        #expect(try form.value("name", as: String.self) == "Ada Löve")
        #expect(try form.value("age", as: Int.self, in: 0...150) == 36)
        #expect(try form.values("tag", as: String.self) == ["a", "b"])
        #expect(form["empty"] == "")
        #expect(throws: HTTPError.self) { try form.value("missing", as: Int.self) }
        #expect(try await request("").form().isEmpty)
    }

    @Test(arguments: [
        "application/x-www-form-urlencoded", "APPLICATION/X-WWW-Form-UrlEncoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=\"utf-8\" ;", "application/x-www-form-urlencoded ; x=\"a\\\"b;c\"",
    ])
    func `a type with parameters is accepted`(type: String) async throws {
        #expect(try await request("a=1", type: type).form()["a"] == "1")
    }

    @Test(arguments: [
        (nil, "the request has no Content-Type"),
        ("", "the Content-Type \"\" is malformed"),
        ("application", "the Content-Type \"application\" is malformed"),
        (
            "application/x-www-form-urlencoded; charset",
            "the Content-Type \"application/x-www-form-urlencoded; charset\" is malformed"
        ),
        ("text/plain", "the Content-Type is text/plain"),
        ("application/json", "the Content-Type is application/json"),
        ("multipart/form-data; boundary=x", "this server does not read multipart/form-data"),
        ("application/x-www-form-urlencoded; charset=latin1", "the charset \"latin1\" is not supported, only UTF-8"),
    ])
    func `another type is 415, and the answer says which is expected`(type: String?, message: String) async throws {
        let error = try await #require(throws: HTTPError.self) { try await request("a=1", type: type).form() }
        #expect(error.status == .unsupportedMediaType)
        #expect(error.message == message + ": expected application/x-www-form-urlencoded")
        #expect(error.headers[.accept] == "application/x-www-form-urlencoded")
    }

    @Test func `two lines of Content-Type are 415`() async throws {
        var headers = type
        headers.append(HTTPField(name: .contentType, value: "application/x-www-form-urlencoded"))
        let request = Request(method: .post, path: "/", headers: headers, body: [97])
        let error = try await #require(throws: HTTPError.self) { try await request.form() }
        #expect(error.status == .unsupportedMediaType)
    }

    @Test func `a compressed form is 415`() async throws {
        var headers = type
        headers[.contentEncoding] = "gzip"
        let request = Request(method: .post, path: "/", headers: headers, body: [1])
        let error = try await #require(throws: HTTPError.self) { try await request.form() }
        #expect(error.status == .unsupportedMediaType)
    }

    @Test func `a form beyond the limit is 413`() async throws {
        for size in [99, 100, 101] {
            let text = "a=" + String(repeating: "x", count: size - 2)
            if size <= 100 {
                #expect(try await request(text).form(upTo: 100).count == 1)
            } else {
                let error = try await #require(throws: HTTPError.self) { try await request(text).form(upTo: 100) }
                #expect(error.status == .contentTooLarge)
            }
        }
    }

    @Test(arguments: ["a=%", "a=%zz", "%f=1", "a=%FF", "a=%00"])
    func `a form that does not decode is 400`(text: String) async throws {
        let error = try await #require(throws: HTTPError.self) { try await request(text).form() }
        #expect(error.description == "400: the form is not valid percent-encoded UTF-8")
    }

    @Test func `bytes that are not UTF-8 are 400`() async throws {
        let request = Request(method: .post, path: "/", headers: type, body: [97, 61, 0xFF])
        let error = try await #require(throws: HTTPError.self) { try await request.form() }
        #expect(error.status == .badRequest)
    }

    @Test(arguments: 0..<4 as Range<UInt64>)
    func `mutated forms never crash, and what is decoded can be encoded and decoded again`(seed: UInt64) async throws {
        var generator = MessageGenerator(state: seed)
        for _ in 0..<2_000 {
            let items = (0..<Int.random(in: 0...5, using: &generator)).map { _ in
                (generator.text(upTo: 6), generator.text(upTo: 12))
            }
            let encoded = items.map { "\(percentEncoded($0))=\(percentEncoded($1))" }.joined(separator: "&")
            let form = try await request(encoded).form()
            // An item without name and value is written "=", which is an item.
            #expect(form.map(\.name) == items.map(\.0))
            #expect(form.map(\.value) == items.map(\.1))
            let bytes = generator.mutated(Array(encoded.utf8))
            do {
                _ = try await Request(method: .post, path: "/", headers: type, body: bytes).form()
            } catch let error as HTTPError {
                #expect(error.status == .badRequest)
            }
        }
    }

    private func percentEncoded(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): String(Unicode.Scalar(byte))
            case UInt8(ascii: " "): "+"
            default: "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }.joined()
    }
}
