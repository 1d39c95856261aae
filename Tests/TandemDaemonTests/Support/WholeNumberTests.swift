import Testing

@testable import TandemDaemon

@Suite struct WholeNumberTests {
    @Test func `decimal digits are a number`() {
        #expect(wholeNumber("0") == 0)
        #expect(wholeNumber("600000") == 600_000)
        #expect(wholeNumber("9223372036854775807") == .max)
    }

    @Test(arguments: ["", "+5", "-5", " 5", "5 ", "0x10", "1e3", "1.0", "1_000", "٣", "007", "9223372036854775808"])
    func `everything else is not a number`(text: String) {
        #expect(wholeNumber(text) == nil)
    }
}
