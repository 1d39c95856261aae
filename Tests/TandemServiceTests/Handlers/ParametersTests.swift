import TandemHTTP
import Testing

@testable import TandemService

@Suite struct ParametersTests {
    private func message(_ body: () throws(HTTPError) -> some Any) -> String? {
        do throws(HTTPError) {
            _ = try body()
            return nil
        } catch {
            #expect(error.status == .badRequest)
            return error.message
        }
    }

    private func parameters(_ query: String) throws -> Parameters { Parameters(try #require(QueryItems(query))) }

    @Test func aNumberInRangeIsTaken() throws {
        #expect(try parameters("ms=0").number("ms", in: 0...600_000) == 0)
        #expect(try parameters("x=1&ms=600000").number("ms", in: 0...600_000) == 600_000)
        #expect(try parameters("ms=1500").milliseconds("ms") == .milliseconds(1500))
    }

    @Test(arguments: [
        "ms=600001", "ms=-1", "ms=", "ms", "ms=abc", "ms=%2B5", "ms=0x10", "ms=1.5", "ms=99999999999999999999", "ms=1%0A",
    ])
    func anythingElseIsRefusedWithWhatWasExpected(query: String) throws {
        let parameters = try parameters(query)
        let found = message { () throws(HTTPError) in try parameters.number("ms", in: 0...600_000) }
        #expect(found?.hasPrefix("the parameter ms must be a whole number from 0 to 600000, not ") == true)
        #expect(found?.contains("\n") == false)
    }

    @Test func aMissingOneAndADuplicateAreRefused() throws {
        let missing = try parameters("a=1")
        #expect(
            message { () throws(HTTPError) in try missing.milliseconds("ms") }
                == "the parameter ms is missing: expected a whole number from 0 to 600000")
        let twice = try parameters("ms=1&ms=1")
        #expect(
            message { () throws(HTTPError) in try twice.milliseconds("ms") }
                == "the parameter ms stands 2 times in the query: expected it at most once")
    }

    @Test func severalValuesKeepTheirOrder() throws {
        #expect(try parameters("url=b&x=y&url=a").several("url", 1...2, "URLs") == ["b", "a"])
        let tooMany = try parameters("url=b&url=a&url=c")
        #expect(message { () throws(HTTPError) in try tooMany.several("url", 1...2, "URLs") } != nil)
    }
}
