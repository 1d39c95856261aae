import TandemHTTP
import Testing

struct TraceContextTests {
    private let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test
    func `a traceparent is parsed and written`() throws {
        let context = try #require(TraceContext(traceparent: valid))
        #expect(context.traceID == "0af7651916cd43dd8448eb211c80319c")
        #expect(context.spanID == "b7ad6b7169203331")
        #expect(context.isSampled)
        #expect(context.traceparent == valid)
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-B7ad6b7169203331-01",
        "0G-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x", "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        "00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01aa", " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x",
    ])
    func `an invalid traceparent is ignored`(text: String) {
        #expect(TraceContext(traceparent: text) == nil)
    }

    @Test
    func `a future version of traceparent is read, and only known flags are passed on`() throws {
        let context = try #require(TraceContext(traceparent: "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe-more"))
        #expect(!context.isSampled)
        #expect(context.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
        #expect(try #require(TraceContext(traceparent: valid.dropLast(2) + "ff")).traceparent == valid)
    }

    @Test(arguments: [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ("a=1 , ,\tb=2", "a=1,b=2"), ("tenant@system=x y", "tenant@system=x y"), ("1a_-*/=v", "1a_-*/=v"),
    ])
    func `a tracestate is passed on without its empty members`(text: String, expected: String) {
        #expect(TraceContext(traceparent: valid, tracestate: text)?.state == expected)
    }

    @Test(arguments: [
        "", ",", "a", "=1", "A=1", "a=", "a=1=2", "a=1,a=2", "a=\u{7}", "a=é", "a b=1",
        (0..<33).map { "k\($0)=v" }.joined(separator: ","), "a=" + String(repeating: "x", count: 600),
    ])
    func `a malformed tracestate is dropped, and the trace is still joined`(text: String) throws {
        let context = try #require(TraceContext(traceparent: valid, tracestate: text))
        #expect(context.state == nil)
    }
}
